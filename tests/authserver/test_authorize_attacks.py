"""/authorize under attack: open redirects, mixed-up servers, borrowed consents, frames, duplicates."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.authserver.front import AWAY, BACK, CHALLENGE, Front, told
from tests.authserver.test_redirects import BAD, OTHERS, REGISTERED
from tests.pages.browser import Browser
from tests.support.town import PASSWORD
from valetkey.authserver.asked import Parameters, asked, redirect_uri
from valetkey.errors import OAuthError
from valetkey.people import Agent


@pytest.fixture
async def client(front: Front) -> str:
    return await front.client(client_name="Reader")


async def on_a_page(front: Front, path: str) -> str:
    """Ask; the answer has to be a page of ours that leads nowhere. Return what it says."""
    page = await front.browser.open(path)
    assert page.status == 400, (page.status, page.response.headers)
    assert "location" not in page.response.headers
    assert "default-src 'none'" in page.response.headers["content-security-policy"]
    return page.text


@pytest.mark.parametrize("uri", [*BAD, *OTHERS])
async def test_nobody_is_sent_to_an_address_that_the_client_did_not_register(front: Front, uri: str) -> None:
    client = await front.client(redirect_uris=REGISTERED)
    text = await on_a_page(front, front.path(client, redirect_uri=uri or None))
    assert "redirect_uri" in text


@pytest.mark.parametrize("made_up", ["", "x", "agt_1", "' OR 1=1 --", "\x00", "x" * 2_000, "https://"])
async def test_nobody_is_sent_anywhere_for_a_client_that_is_none(front: Front, made_up: str) -> None:
    await on_a_page(front, f"/authorize?{urlencode({**front.asking(''), 'client_id': made_up})}")


async def test_nobody_is_sent_anywhere_without_a_client_or_without_an_address(
    front: Front, client: str
) -> None:
    await on_a_page(front, "/authorize")
    await on_a_page(front, front.path(client, redirect_uri=None))


async def test_of_two_clients_or_two_addresses_neither_counts(front: Front, client: str) -> None:
    other = await front.client(redirect_uris=[AWAY])
    twice = {"client_id": other, "redirect_uri": AWAY}
    for name, value in twice.items():
        for pair in (
            f"&{name}={quote(value, safe='')}",
            f"&{name}={quote(front.asking(client)[name], safe='')}",
        ):
            await on_a_page(front, front.path(client) + pair)


async def test_a_client_with_no_address_at_all_is_sent_nowhere(front: Front) -> None:
    async with front.town.house.ground.store.transaction() as tx:
        agent = await front.town.house.agents.named(tx, "triage")
    await on_a_page(front, front.path(agent.id))


TOLD = {
    "no answer asked for": ({"response_type": None}, "invalid_request"),
    "a token at once": ({"response_type": "token"}, "unsupported_response_type"),
    "both at once": ({"response_type": "code token"}, "unsupported_response_type"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "no method, which means plain": ({"code_challenge_method": None}, "invalid_request"),
    "a challenge in the clear": ({"code_challenge_method": "plain"}, "invalid_request"),
    "a method in small letters": ({"code_challenge_method": "s256"}, "invalid_request"),
    "a short challenge": ({"code_challenge": CHALLENGE[:-1]}, "invalid_request"),
    "a padded challenge": ({"code_challenge": f"{CHALLENGE[:-1]}="}, "invalid_request"),
    "a challenge that is none": ({"code_challenge": "<" + CHALLENGE[1:]}, "invalid_request"),
    "another's endpoint": ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
    "an endpoint there is not": ({"resource": "{url}/mcp/nothing"}, "invalid_target"),
    "no endpoint of ours": ({"resource": "{url}"}, "invalid_target"),
    "an endpoint with more": ({"resource": "{url}/mcp?x=1"}, "invalid_target"),
}


@pytest.mark.parametrize(("changed", "error"), TOLD.values(), ids=list(TOLD))
async def test_what_else_is_wrong_the_client_is_told_and_by_whom(
    front: Front, client: str, changed: dict[str, str | None], error: str
) -> None:
    sent = {name: value and value.replace("{url}", front.town.url) for name, value in changed.items()}
    answer = told(await front.browser.open(front.path(client, **sent)))
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert answer["error"] == error
    assert answer["state"] == "of the client"
    assert answer["iss"] == front.town.url


@pytest.mark.parametrize(
    "name", ["response_type", "code_challenge", "code_challenge_method", "resource", "scope", "x"]
)
async def test_a_parameter_that_comes_twice_is_refused(front: Front, client: str, name: str) -> None:
    path = front.path(client, scope="mcp", x="1")
    value = quote({**front.asking(client), "scope": "mcp", "x": "1"}[name], safe="")
    answer = told(await front.browser.open(f"{path}&{name}={value}"))
    assert answer["error"] == "invalid_request"
    assert answer["state"] == "of the client"


async def test_of_two_states_neither_is_sent_back(front: Front, client: str) -> None:
    answer = told(await front.browser.open(f"{front.path(client)}&state=another"))
    assert set(answer) == {"error", "error_description", "iss"}


async def test_a_client_without_a_state_gets_none(front: Front, client: str) -> None:
    assert set(await front.let_in(client, state=None)) == {"code", "iss"}


HOSTILE = [
    "a&code=stolen&iss=https://evil.example",
    "a#b",
    "\r\nLocation: https://evil.example",
    "ä \u202e\x00",
    "%26x=1",
]


@pytest.mark.parametrize("state", HOSTILE)
async def test_a_state_comes_back_as_it_was_and_adds_nothing(front: Front, client: str, state: str) -> None:
    answer = await front.let_in(client, state=state)
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == state


async def test_a_request_without_end_is_refused_on_our_page(front: Front, client: str) -> None:
    await on_a_page(front, front.path(client, state="x" * 9_000))


async def test_a_yes_to_one_client_is_none_to_another(front: Front) -> None:
    """M7: each client is a client of its own, also where it looks like one that was let in before."""
    first, second = await front.client(client_name="Reader"), await front.client(client_name="Reader")
    code = (await front.let_in(first))["code"]
    assert (await front.redeem(second, code)).json()["error"] == "invalid_grant"
    page = await front.ask(second)
    assert "Let Reader act for you?" in page.text
    assert await front.count("sessions", f"actor = '{second}'") == 0
    assert (await front.redeem(first, code)).status_code == 200


async def test_nothing_is_let_in_silently_however_often_it_was_before(front: Front, client: str) -> None:
    await front.let_in(client)
    for more in ({"prompt": "none"}, {"prompt": "none", "login_hint": front.person.name}, {"max_age": "0"}):
        page = await front.ask(client, **more)
        assert page.status == 200
        assert "act for you?" in page.text


async def test_one_persons_yes_is_no_other_persons(front: Front, client: str) -> None:
    ben = await front.town.newcomer()
    page = await front.ask(client)
    async with Browser(url=front.town.url) as browser:
        seen = await browser.follow(await browser.open(page.response.request.url.path))
        await browser.send(seen, {"name": ben.name, "password": PASSWORD})
        stolen = page.sheet().filled({"password": PASSWORD, "decision": "allow"})
        refused = await browser.post(page.response.request.url.path, stolen)
        assert refused.status == 403
    assert await front.count("sessions", f"actor = '{client}'") == 0


FORGED = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site"},
    {},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
async def test_a_form_of_another_site_lets_nothing_in(
    front: Front, client: str, headers: dict[str, str]
) -> None:
    page = await front.ask(client)
    answer = await front.browser.send(page, {"password": PASSWORD, "decision": "allow"}, headers=headers)
    assert answer.status == 403
    assert await front.count("sessions", f"actor = '{client}'") == 0


@pytest.mark.parametrize("stamp", ["", "x", "0" * 64])
async def test_a_form_without_our_stamp_lets_nothing_in(front: Front, client: str, stamp: str) -> None:
    page = await front.ask(client)
    answer = await front.browser.send(page, {"password": PASSWORD, "decision": "allow", "stamp": stamp})
    assert answer.status == 403


async def test_no_page_of_it_can_be_framed_kept_or_told_of(front: Front, client: str) -> None:
    asked_page = await front.ask(client)
    error = await front.browser.open("/authorize")
    redirect = await front.browser.open(front.path(client))
    for page in (asked_page, error, redirect, await front.decide(asked_page)):
        headers = page.response.headers
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


NAMES = [
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(1)</script>",
    "</bdi></h1><svg onload=alert(1)>",
    "{{ 7 * 7 }}",
    "\u202eedoC edualC",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_clients_name_is_only_text(front: Front, name: str) -> None:
    page = await front.ask(await front.client(client_name=name))
    body = page.response.text
    assert "<img src=x" not in body
    assert "<script>" not in body
    assert "<svg onload" not in body
    assert "\u202e" not in body
    assert name.replace("\u202e", "") in page.text


async def test_opening_the_page_changes_nothing(front: Front, client: str) -> None:
    page = await front.ask(client)
    before = {
        name: await front.count(name) for name in ("sessions", "codes", "audit", "agents", "authorizations")
    }
    for _ in range(3):
        await front.browser.open(page.response.request.url.path)
    assert {name: await front.count(name) for name in before} == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_it_is_asked_by_get_alone(front: Front, client: str, method: str) -> None:
    answer = await front.http.request(method, front.path(client))
    assert answer.status_code == 405


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(
            ["client_id", "redirect_uri", "state", "resource", "response_type", "code_challenge", "x"]
        ),
        st.text(max_size=20),
    ),
    max_size=12,
)


@settings(max_examples=2_000)
@given(PAIRS)
def test_whatever_is_asked_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    client, parameters = Agent("agt_1", "x", metadata={"redirect_uris": [BACK]}), Parameters(pairs)
    with pytest.raises(OAuthError):
        redirect_uri(parameters, client)
    with pytest.raises(OAuthError):
        asked(parameters, client, BACK, frozenset({"https://x.example/mcp"}), "https://x.example/mcp")
