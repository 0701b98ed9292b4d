"""The sandbox's issuer is a strict one: whoever gets past our client by mistake is not let in by it."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.sandbox.visitor import Visitor
from tests.support.clock import FakeClock
from valetkey.model import SECOND
from valetkey.sandbox import CORP_CLIENT, Sandbox

BACK = "http://localhost:8917/signin/corp/callback"
VERIFIER = "v" * 43
SECRET = (CORP_CLIENT.id, CORP_CLIENT.secret)
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def _ask(**changed: str | None) -> str:
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    query: dict[str, str | None] = {
        "response_type": "code",
        "client_id": CORP_CLIENT.id,
        "redirect_uri": BACK,
        "scope": "openid profile",
        "state": "s",
        "nonce": "n",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        **changed,
    }
    return "/acme/authorize?" + urlencode({name: value for name, value in query.items() if value is not None})


async def _answer(visitor: Visitor, **changed: str | None) -> dict[str, str]:
    """Sign in as Ana; return what the client is told."""
    reply = await visitor.http.post(_ask(**changed), data={"account": "ana@example.com", "decision": "allow"})
    assert reply.status_code == 303, reply.text
    return {name: values[0] for name, values in parse_qs(urlsplit(reply.headers["location"]).query).items()}


async def _tokens(visitor: Visitor, code: str, **changed: str) -> Any:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return (await visitor.http.post("/acme/token", data=form | changed, auth=SECRET)).json()


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


async def test_a_code_is_good_once_with_its_verifier_and_its_redirect_uri(visitor: Visitor) -> None:
    for wrong in ({"code_verifier": "w" * 43}, {"redirect_uri": BACK + "x"}):
        code = (await _answer(visitor))["code"]
        assert (await _tokens(visitor, code, **wrong))["error"] == "invalid_grant"
    code = (await _answer(visitor))["code"]
    assert "id_token" in await _tokens(visitor, code)
    assert (await _tokens(visitor, code))["error"] == "invalid_grant"


async def test_an_id_token_says_who_for_whom_and_when(visitor: Visitor, turning: FakeClock) -> None:
    answer = await _answer(visitor)
    assert (answer["state"], answer["iss"]) == ("s", "https://corp.example/acme")
    said = _claims((await _tokens(visitor, answer["code"]))["id_token"])
    assert (said["iss"], said["aud"], said["nonce"]) == ("https://corp.example/acme", CORP_CLIENT.id, "n")
    assert (said["sub"], said["name"], said["auth_time"]) == (
        "corp-ana",
        "Ana Almeida",
        turning.now() // 1000,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"scope": "profile"},
        {"response_type": "token"},
    ],
)
async def test_what_is_weak_is_refused(visitor: Visitor, changed: dict[str, str | None]) -> None:
    assert "error" in await _answer(visitor, **changed)


async def test_nobody_is_sent_to_an_address_or_for_a_client_that_is_not_known(visitor: Visitor) -> None:
    for changed in ({"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}):
        assert (await visitor.http.get(_ask(**changed))).status_code == 400


async def test_somebody_who_is_signed_in_is_asked_again_when_a_client_insists(
    visitor: Visitor, turning: FakeClock
) -> None:
    await _answer(visitor)
    turning.advance(60 * SECOND)
    assert (await visitor.http.get(_ask())).status_code == 303
    for insisting in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "59"}):
        assert (await visitor.http.get(_ask(**insisting))).status_code == 200
    assert (await visitor.http.get(_ask(max_age="60"))).status_code == 303


async def test_pairwise_subjects_differ_and_what_is_stable_does_not(sandbox: Sandbox) -> None:
    corp = sandbox.corp
    corp.books.pairwise = True
    said = [
        _claims(corp.access_token("ana@example.com", "us", client)) for client in ("assistant", "notes-agent")
    ]
    assert said[0]["sub"] != said[1]["sub"]
    assert (said[0]["oid"], said[0]["tid"]) == (said[1]["oid"], said[1]["tid"])


async def test_introspection_is_for_clients_that_prove_who_they_are(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    token = sandbox.corp.access_token("ana@example.com", "us", opaque=True)
    form = {"token": token}
    assert (await visitor.http.post("/acme/introspect", data=form)).status_code == 401
    public = form | {"client_id": "assistant"}
    assert (await visitor.http.post("/acme/introspect", data=public)).status_code == 401
    said = (await visitor.http.post("/acme/introspect", data=form, auth=SECRET)).json()
    assert (said["active"], said["sub"]) == (True, "corp-ana")
    sandbox.corp.revoke(token)
    assert (await visitor.http.post("/acme/introspect", data=form, auth=SECRET)).json() == {"active": False}


async def test_userinfo_names_whose_token_it_is(visitor: Visitor) -> None:
    access = (await _tokens(visitor, (await _answer(visitor))["code"]))["access_token"]
    said = await visitor.http.get("/acme/userinfo", headers={"Authorization": f"Bearer {access}"})
    assert said.json()["name"] == "Ana Almeida"
    assert (await visitor.http.get("/acme/userinfo")).status_code == 401


async def test_an_id_token_is_exchanged_for_an_assertion_by_its_own_client(visitor: Visitor) -> None:
    token = (await _tokens(visitor, (await _answer(visitor))["code"]))["id_token"]
    form = {
        "grant_type": EXCHANGE,
        "requested_token_type": ID_JAG,
        "subject_token": token,
        "audience": "https://valetkey.example",
        "resource": "https://valetkey.example/mcp",
    }
    said = (await visitor.http.post("/acme/token", data=form, auth=SECRET)).json()
    assert said["issued_token_type"] == ID_JAG
    assert _claims(said["access_token"])["client_id"] == CORP_CLIENT.id
    other = ("notes-agent", "notes-sandbox-secret")
    refused = await visitor.http.post("/acme/token", data=form, auth=other)
    assert refused.json()["error"] == "invalid_grant"


async def test_it_is_turned_from_another_process(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.http.post("/_sandbox/twist", json={"provider": "corp", "names": ["wrong_nonce"]})
    assert sandbox.corp.books.twists == {"wrong_nonce"}
    before = sandbox.corp.keys.published[0]
    await visitor.http.post("/_sandbox/rotate", json={"provider": "corp"})
    assert sandbox.corp.keys.published[0] is not before
    unknown = await visitor.http.post("/_sandbox/twist", json={"provider": "corp", "names": ["odd"]})
    assert (unknown.status_code, "no such twist" in unknown.text) == (400, True)
