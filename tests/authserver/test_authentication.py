"""Clients authenticate by the one method they are registered for; any other looks like a wrong secret."""

import base64

import pytest
from joserfc.jwk import OKPKey

from tests.authserver.issuing import Issuing, assertion, basic
from valetkey.authserver.authentication import ASSERTION_TYPE, METHODS
from valetkey.model import MINUTE
from valetkey.people import Kind

SECRET = "s3cret/with:odd+chars %&=é"
WRONG = "wrong"


async def authenticated(desk: Issuing, headers: dict[str, str] | None = None, /, **form: str) -> str:
    """What becomes of a client at the token endpoint: `invalid_grant` once it is known for who it is."""
    asked = {"grant_type": "refresh_token", "refresh_token": "none", **form}
    answer = await desk.post("/token", asked, headers)
    assert answer.headers["cache-control"] == "no-store"
    assert SECRET not in answer.text
    assert (answer.status_code == 401) == ("www-authenticate" in answer.headers)
    return str(answer.json()["error"])


KNOWN = "invalid_grant"
"""The client was let through to the grant type, which knows no such refresh token."""


async def test_each_method_lets_in_a_client_that_is_registered_for_it(desk: Issuing) -> None:
    key = OKPKey.generate_key("Ed25519")
    keyed = await desk.keyed(key)
    public = await desk.client("public")
    by_basic = await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    by_post = await desk.client("post", secret=SECRET, token_endpoint_auth_method="client_secret_post")
    assert await authenticated(desk, client_id=public.id) == KNOWN
    assert await authenticated(desk, basic(by_basic.id, SECRET)) == KNOWN
    assert await authenticated(desk, basic(by_basic.id, SECRET), client_id=by_basic.id) == KNOWN
    assert await authenticated(desk, client_id=by_post.id, client_secret=SECRET) == KNOWN
    assert await authenticated(desk, **assertion(key, desk.clock, keyed.id)) == KNOWN
    assert await authenticated(desk, client_id=keyed.id, **assertion(key, desk.clock, keyed.id)) == KNOWN


async def test_no_client_may_use_a_method_that_it_is_not_registered_for(desk: Issuing) -> None:
    key = OKPKey.generate_key("Ed25519")
    public = key.as_dict(private=False)
    for method in METHODS:
        client = await desk.client(
            method, secret=SECRET, token_endpoint_auth_method=method, jwks={"keys": [{**public, "kid": "k1"}]}
        )
        shown = {
            "none": await authenticated(desk, client_id=client.id),
            "client_secret_basic": await authenticated(desk, basic(client.id, SECRET)),
            "client_secret_post": await authenticated(desk, client_id=client.id, client_secret=SECRET),
            "private_key_jwt": await authenticated(desk, **assertion(key, desk.clock, client.id)),
        }
        expected = {other: KNOWN if other == method else "invalid_client" for other in METHODS}
        assert shown == expected


async def test_a_client_that_says_nothing_of_a_method_is_never_let_in_without_a_secret(desk: Issuing) -> None:
    async with desk.store.transaction() as tx:
        named = await desk.agents.named(tx, "minted-for")
        foreign = await desk.agents.add(tx, "elsewhere", "elsewhere", Kind.FOREIGN, {})
        loose = await desk.agents.add(
            tx, "loose", "loose", Kind.FOREIGN, {"token_endpoint_auth_method": "none"}
        )
    for client in (named, foreign, loose):
        assert await authenticated(desk, client_id=client.id) == "invalid_client"
        assert await authenticated(desk, basic(client.id, "")) == "invalid_client"


async def test_a_document_that_says_nothing_of_a_method_is_a_public_clients(desk: Issuing) -> None:
    async with desk.store.transaction() as tx:
        client = await desk.agents.add(tx, "https://app.test/client.json", "app", Kind.DOCUMENT, {})
    assert await authenticated(desk, client_id=client.id) == KNOWN


async def test_two_methods_at_once_are_refused(desk: Issuing) -> None:
    key = OKPKey.generate_key("Ed25519")
    keyed = await desk.keyed(key)
    client = await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    shown = assertion(key, desk.clock, keyed.id)
    assert await authenticated(desk, basic(client.id, SECRET), client_secret=SECRET) == "invalid_request"
    assert await authenticated(desk, basic(client.id, SECRET), **shown) == "invalid_request"
    assert await authenticated(desk, client_secret=SECRET, **shown) == "invalid_request"
    assert await authenticated(desk, basic(client.id, SECRET), client_id="another") == "invalid_request"
    assert await authenticated(desk, client_id="another", **shown) == "invalid_request"


async def test_an_unknown_client_and_a_wrong_secret_get_the_same_answer(desk: Issuing) -> None:
    client = await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    asked = {"grant_type": "refresh_token", "refresh_token": "none"}
    answers = [
        await desk.post("/token", asked, basic(client_id, WRONG)) for client_id in (client.id, "nobody")
    ] + [await desk.post("/token", {**asked, "client_id": "nobody"})]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert answers[0].json()["error"] == "invalid_client"


async def test_wrong_secrets_are_slowed_down_and_recorded_and_never_stop_the_right_one(desk: Issuing) -> None:
    client = await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    for client_id in (client.id, "nobody"):
        tried = [await authenticated(desk, basic(client_id, f"{WRONG}{n}")) for n in range(8)]
        assert tried == ["invalid_client"] * 5 + ["temporarily_unavailable"] * 3
    assert await authenticated(desk, basic(client.id, SECRET)) == KNOWN
    assert await desk.kinds() == ["client.refused"] * 5
    desk.clock.advance(MINUTE)
    assert await authenticated(desk, basic(client.id, WRONG)) == "invalid_client"


async def test_a_suspended_client_is_told_so_once_it_has_authenticated(desk: Issuing) -> None:
    client = await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    public = await desk.client("public")
    async with desk.store.transaction() as tx:
        await desk.agents.suspend(tx, client)
        await desk.agents.suspend(tx, public)
    assert await authenticated(desk, basic(client.id, WRONG)) == "invalid_client"
    assert await authenticated(desk, basic(client.id, SECRET)) == "unauthorized_client"
    assert await authenticated(desk, client_id=public.id) == "unauthorized_client"


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YQ",
        f"Basic {base64.b64encode(b'no-colon').decode()}",
        f"Basic {base64.b64encode(bytes([255, 254])).decode()}",
        f"Basic {base64.b64encode(b'%ff:%ff').decode()}",
        "Bearer token",
        "",
    ],
)
async def test_a_header_that_cannot_be_read_lets_nobody_in(desk: Issuing, header: str) -> None:
    public = await desk.client("public")
    assert await authenticated(desk, {"Authorization": header}) == "invalid_client"
    assert await authenticated(desk, {"Authorization": header}, client_id=public.id) in {
        "invalid_client",
        "invalid_request",
    }


async def test_two_authorization_headers_are_refused(desk: Issuing) -> None:
    client = await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    headers = [*basic(client.id, SECRET).items(), *basic(client.id, WRONG).items()]
    answer = await desk.http.post("/token", data={"grant_type": "refresh_token"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_an_assertion_of_another_type_is_refused(desk: Issuing) -> None:
    key = OKPKey.generate_key("Ed25519")
    keyed = await desk.keyed(key)
    shown = assertion(key, desk.clock, keyed.id)["client_assertion"]
    for kind in ("", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", ASSERTION_TYPE.upper()):
        refused = await authenticated(desk, client_assertion=shown, client_assertion_type=kind)
        assert refused == "invalid_client"


async def test_the_secret_of_a_client_is_kept_as_a_digest_alone(desk: Issuing) -> None:
    await desk.client("basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic")
    (row,) = await desk.store.all("SELECT * FROM agents")
    assert SECRET not in str(dict(row))


async def test_that_a_client_is_in_use_is_remembered_by_the_hour(desk: Issuing) -> None:
    client = await desk.client("public")
    desk.clock.advance(59 * MINUTE)
    await authenticated(desk, client_id=client.id)
    assert (await _found(desk, client.id)) == client.used
    desk.clock.advance(MINUTE)
    await authenticated(desk, client_id=client.id)
    assert (await _found(desk, client.id)) == desk.clock.now()


async def _found(desk: Issuing, client_id: str) -> int:
    agent = await desk.agents.get(desk.store, client_id)
    assert agent is not None
    return agent.used
