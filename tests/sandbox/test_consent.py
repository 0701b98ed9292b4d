"""The authorization endpoints: who is shown what, and where nobody is ever sent."""

import pytest

from tests.sandbox.visitor import READ, SEND, Form, Site, Visitor, challenge, google, query_of, slack, strict
from valetkey.errors import UsageError
from valetkey.sandbox import Sandbox

EVERYWHERE = pytest.mark.parametrize("site", [google(), slack(), strict()], ids=["google", "slack", "strict"])


@EVERYWHERE
async def test_the_page_says_it_is_a_sandbox_and_lists_the_people(visitor: Visitor, site: Site) -> None:
    page = await visitor.page(site)
    assert page.status_code == 200
    assert "Sandbox - not the real" in page.text
    assert all(name in page.text for name in ("Ana Almeida", "Ben Brandt", "Carol Chen"))
    assert "form-action" not in page.headers["content-security-policy"]


@EVERYWHERE
async def test_submitting_the_form_as_it_stands_brings_a_code_and_the_state(
    visitor: Visitor, site: Site
) -> None:
    answer = await visitor.allow(site, "ben@example.com")
    assert answer["state"] == "a state"
    assert (await visitor.redeem(site, answer["code"])).json().get("error") is None


@EVERYWHERE
async def test_cancelling_brings_access_denied_and_no_code(visitor: Visitor, site: Site) -> None:
    answer = query_of(await visitor.decide(site, {"account": "ana@example.com", "decision": "cancel"}))
    assert (answer["error"], answer["state"], "code" in answer) == ("access_denied", "a state", False)


async def test_the_login_hint_chooses_the_account(visitor: Visitor) -> None:
    page = await visitor.page(google(), login_hint="Carol@example.com")
    assert Form(page.text).fields["account"] == ["carol@example.com"]


async def test_an_unticked_scope_is_not_granted(visitor: Visitor) -> None:
    form = {"account": "ana@example.com", "decision": "allow", "scope": [READ]}
    answer = query_of(await visitor.decide(google(), form))
    assert (await visitor.redeem(google(), answer["code"])).json()["scope"] == READ


async def test_a_scope_that_was_not_asked_for_cannot_be_ticked(visitor: Visitor) -> None:
    form = {"account": "ana@example.com", "decision": "allow", "scope": [READ, SEND]}
    answer = query_of(await visitor.decide(google(), form, scope=READ))
    assert (await visitor.redeem(google(), answer["code"])).json()["scope"] == READ


async def test_unticking_everything_is_a_refusal(visitor: Visitor) -> None:
    answer = query_of(await visitor.decide(google(), {"account": "ana@example.com", "decision": "allow"}))
    assert answer["error"] == "access_denied"


async def test_slack_grants_all_or_nothing(visitor: Visitor) -> None:
    answer = query_of(await visitor.decide(slack(), {"account": "ana@example.com", "decision": "allow"}))
    tokens = (await visitor.redeem(slack(), answer["code"])).json()["authed_user"]
    assert set(tokens["scope"].split(",")) == set(slack().query["user_scope"].split(","))


async def test_somebody_unknown_gets_a_page(visitor: Visitor) -> None:
    answer = await visitor.decide(
        google(), {"account": "mallory@example.com", "decision": "allow", "scope": [READ]}
    )
    assert answer.status_code == 400
    assert "location" not in answer.headers


@EVERYWHERE
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback/x",
        "http://localhost:8917/callback/",
        "http://localhost:8917/callback/a/b",
        "http://localhost:8917/callback/a?b=c",
        "http://localhost:8917/callback/a#b",
        "http://localhost:8917/callback/..",
        "http://localhost:8917/other/a",
        "http://localhost/callback/a",
        "http://localhost:8917@evil.example/callback/a",
        "http://localhost.evil.example:80/callback/a",
        "http://LOCALHOST:8917/callback/a",
        "http://127.0.0.1.evil.example:80/callback/a",
        "http://127.1:8917/callback/a",
        "http://localhost:8917/callback/a\n",
        "https://localhost:8917/callback/a",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_uri_that_is_not_registered_gets_a_page_and_no_redirect(
    visitor: Visitor, site: Site, uri: str
) -> None:
    for answer in (
        await visitor.page(site, redirect_uri=uri),
        await visitor.decide(site, {"account": "ana@example.com", "decision": "cancel"}, redirect_uri=uri),
    ):
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert "redirect_uri_mismatch" in answer.text


@EVERYWHERE
async def test_a_client_nobody_registered_gets_a_page(visitor: Visitor, site: Site) -> None:
    answer = await visitor.page(site, client_id="somebody-else")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


async def test_a_parameter_that_is_there_twice_gets_a_page(visitor: Visitor) -> None:
    twice = google().query | {"state": ["one", "another"]}
    answer = await visitor.http.get(google().authorize, params=twice)
    assert (answer.status_code, "invalid_request" in answer.text) == (400, True)


async def test_a_registered_https_redirect_is_accepted(visitor: Visitor, sandbox: Sandbox) -> None:
    uri = "https://valetkey.example/callback/google?kept=yes"
    sandbox.google.redirects.add(uri)
    form = {"account": "ana@example.com", "decision": "allow", "scope": [READ]}
    answer = await visitor.decide(google(), form, redirect_uri=uri)
    assert answer.headers["location"].startswith(uri + "&code=")


async def test_slack_can_refuse_http_redirects_like_the_real_one(visitor: Visitor, sandbox: Sandbox) -> None:
    assert (await visitor.page(slack())).status_code == 200
    sandbox.slack.change(http_redirects=False)
    assert (await visitor.page(slack())).status_code == 400
    sandbox.slack.redirects.add("https://valetkey.example/callback/slack")
    page = await visitor.page(slack(), redirect_uri="https://valetkey.example/callback/slack")
    assert page.status_code == 200


@pytest.mark.parametrize("site", [google(), slack()], ids=["google", "slack"])
async def test_google_and_slack_keep_their_errors_on_their_page(visitor: Visitor, site: Site) -> None:
    answer = await visitor.page(site, response_type="token")
    assert (answer.status_code, "unsupported_response_type" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "notes.read everything"}, "invalid_scope"),
        ({"scope": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
    ],
)
async def test_strict_redirects_its_errors_with_state_and_iss(
    visitor: Visitor, changed: dict[str, str | None], error: str
) -> None:
    answer = query_of(await visitor.page(strict(), **changed))
    assert (answer["error"], answer["state"]) == (error, "a state")
    assert answer["iss"] == "https://strict.example/strict"


@pytest.mark.parametrize(
    ("site", "scopes"),
    [
        (google(), {"scope": "gmail.readonly"}),
        (slack(), {"user_scope": "all"}),
        (slack(), {"scope": "chat:write"}),
    ],
)
async def test_a_scope_there_is_not_gets_a_page(visitor: Visitor, site: Site, scopes: dict[str, str]) -> None:
    answer = await visitor.page(site, **scopes)
    assert (answer.status_code, "invalid_scope" in answer.text) == (400, True)


async def test_google_sends_iss_only_when_switched_on(visitor: Visitor, sandbox: Sandbox) -> None:
    assert "iss" not in await visitor.allow(google(), "ana@example.com")
    sandbox.google.change(sends_iss=True)
    assert (await visitor.allow(google(), "ana@example.com"))["iss"] == "https://accounts.google.com"


async def test_google_demands_pkce_only_when_switched_on(visitor: Visitor, sandbox: Sandbox) -> None:
    assert (await visitor.page(google())).status_code == 200
    sandbox.google.change(pkce_required=True)
    assert (await visitor.page(google())).status_code == 400
    both = {"code_challenge": challenge("v" * 43), "code_challenge_method": "S256"}
    assert (await visitor.page(google(), **both)).status_code == 200


async def test_what_the_page_shows_is_escaped(visitor: Visitor) -> None:
    page = await visitor.page(google(), scope="https://www.googleapis.com/auth/<script>alert(1)</script>")
    assert page.status_code == 200
    assert "<script>" not in page.text


async def test_incremental_consent_adds_to_what_was_granted_before(visitor: Visitor) -> None:
    await visitor.connect(google(), "ana@example.com", scope=READ)
    more = await visitor.connect(google(), "ana@example.com", scope=SEND, include_granted_scopes="true")
    assert set(more["scope"].split()) == {READ, SEND}
    other = await visitor.connect(google(), "ben@example.com", scope=SEND, include_granted_scopes="true")
    assert other["scope"] == SEND


async def test_a_provider_can_grant_something_else_than_was_asked(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.google.change(grants_exactly=["openid"])
    assert (await visitor.connect(google(), "ana@example.com"))["scope"] == "openid"


async def test_a_test_in_process_can_be_the_person_at_the_page(visitor: Visitor, sandbox: Sandbox) -> None:
    url = str(visitor.http.build_request("GET", google().authorize, params=google().query).url)
    location = sandbox.approve(url, "carol@example.com", [READ])
    code = location.partition("code=")[2].partition("&")[0].replace("%2F", "/")
    assert (await visitor.redeem(google(), code)).json()["scope"] == READ
    assert "error=access_denied" in sandbox.approve(url, "carol@example.com", decision="cancel")
    with pytest.raises(UsageError):
        sandbox.approve(sandbox.base_url + "/elsewhere", "carol@example.com")
