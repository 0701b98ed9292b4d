"""Access tokens of issuers that we trust, under attack: whose, for whom, for what, until when."""

import base64
import hashlib
import hmac
import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.identity.conftest import ANA, BEN, MCP, Ground, Trusting
from tests.support.tokens import b64
from valetkey.errors import Unauthenticated
from valetkey.model import DAY, HOUR, SECOND, Principal
from valetkey.people import Kind


async def _refused(trusting: Trusting, token: str, status: int = 401) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await trusting.identity.of_token(token)
    assert refused.value.status == status, refused.value
    return str(refused.value)


async def test_a_token_of_a_trusted_issuer_names_its_person_and_its_client(trusting: Trusting) -> None:
    found = await trusting.identity.of_token(trusting.sandbox.corp.access_token(ANA, MCP))
    assert found.caller.principal == Principal("corp", "corp-ana")
    assert (found.caller.actor.client, found.caller.actor.chain) == ("corp/assistant", ())
    assert found.claims.scopes == ("mcp",)


async def test_its_person_and_its_client_get_rows_at_first_sight(trusting: Trusting) -> None:
    for _ in range(2):
        await trusting.identity.of_token(trusting.sandbox.corp.access_token(ANA, MCP))
    (person,) = await trusting.store.all("SELECT issuer, subject, name, owner, password FROM people")
    assert dict(person) == {
        "issuer": "corp",
        "subject": "corp-ana",
        "name": "Ana Almeida",
        "owner": 0,
        "password": None,
    }
    (agent,) = await trusting.agents.all(trusting.store)
    assert (agent.id, agent.kind, agent.name) == ("corp/assistant", Kind.FOREIGN, "assistant")


async def test_the_same_subject_from_two_issuers_is_two_people(trusting: Trusting) -> None:
    """M3: and the same client of both is two agents."""
    corp, partner = trusting.sandbox.corp, trusting.sandbox.partner
    corp.books.subjects[ANA] = partner.books.subjects[ANA] = "1"
    first = (await trusting.identity.of_token(corp.access_token(ANA, MCP))).caller
    second = (await trusting.identity.of_token(partner.access_token(ANA, MCP))).caller
    assert (first.principal, second.principal) == (Principal("corp", "1"), Principal("partner", "1"))
    assert first.actor != second.actor


async def test_one_issuer_cannot_speak_for_another(trusting: Trusting) -> None:
    """The `iss` in a token only selects whose keys are tried."""
    await _refused(trusting, trusting.sandbox.partner.access_token(ANA, MCP, iss="https://corp.example/acme"))
    await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, iss="http://localhost:8917"))


async def test_an_issuer_that_nobody_named_is_nobody(trusting: Trusting) -> None:
    for iss in ("https://evil.example", "https://corp.example/acme/", "https://CORP.example/acme", None):
        await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, iss=iss))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"audience": "https://other.example/mcp"}, id="another place"),
        pytest.param({"audience": MCP + "/"}, id="a slash"),
        pytest.param({"audience": MCP.upper()}, id="capitals"),
        pytest.param({"audience": "http://localhost:8917"}, id="the server and not its endpoint"),
        pytest.param({"audience": f"{MCP}/readers"}, id="one endpoint, which the settings do not name"),
        pytest.param({"audience": [MCP, "https://other.example"]}, id="two audiences"),
        pytest.param({"audience": []}, id="no audience"),
        pytest.param({"aud": None}, id="none at all"),
        pytest.param({"aud": {"0": MCP}}, id="an object"),
        pytest.param({"exp": None}, id="no end"),
        pytest.param({"exp": 1}, id="long over"),
        pytest.param({"exp": "9999999999"}, id="an end in text"),
        pytest.param({"exp": float("nan")}, id="an end that is no number"),
        pytest.param({"nbf": 9999999999}, id="not yet"),
        pytest.param({"iat": 9999999999}, id="issued in the future"),
        pytest.param({"client_id": None}, id="no client"),
        pytest.param({"client_id": ""}, id="an empty client"),
        pytest.param({"client_id": "a\nb"}, id="a client with a line break"),
        pytest.param({"azp": "another"}, id="two clients"),
        pytest.param({"sub": 7}, id="a person by number"),
        pytest.param({"cnf": {"jkt": "x"}}, id="bound to a key"),
        pytest.param({"at_hash": "x"}, id="an ID token"),
        pytest.param({"act": "text"}, id="an actor in text"),
        pytest.param({"act": {"act": {"sub": "a"}}}, id="an actor without a name"),
    ],
)
async def test_a_token_for_something_else_is_refused(trusting: Trusting, changed: dict[str, Any]) -> None:
    await _refused(trusting, trusting.sandbox.corp.access_token(ANA, **{"audience": MCP, **changed}))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"sub": ""}, id="an empty one"),
        pytest.param({"sub": "x" * 513}, id="an endless one"),
        pytest.param({"sub": "a\x00b"}, id="NUL"),
        pytest.param({"sub": "a\x1fb"}, id="a separator"),
        pytest.param({"sub": "a\ud800"}, id="half a character"),
        pytest.param({"sub": " ana"}, id="a space before it"),
        pytest.param({"sub": "assistant"}, id="the client itself"),
        pytest.param({"gty": "client-credentials"}, id="the client itself, at Auth0"),
        pytest.param({"idtyp": "app"}, id="the client itself, at Entra"),
    ],
)
async def test_a_token_of_nobody_is_forbidden(trusting: Trusting, changed: dict[str, Any]) -> None:
    """M5: never a shared principal."""
    await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, **changed), 403)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", None])
async def test_these_types_are_access_tokens(trusting: Trusting, typ: str | None) -> None:
    token = trusting.sandbox.corp.access_token(ANA, MCP, header={"typ": typ})
    assert (await trusting.identity.of_token(token)).caller.principal.issuer == "corp"


@pytest.mark.parametrize("typ", ["oauth-id-jag+jwt", "id+jwt", "secevent+jwt", "dpop+jwt", "logout+jwt"])
async def test_a_signed_token_of_another_kind_is_refused(trusting: Trusting, typ: str) -> None:
    await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, header={"typ": typ}))


async def test_unsigned_tokens_are_refused(trusting: Trusting) -> None:
    for alg in ("none", "None", "NONE", "nOnE", "", "HS256"):
        await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, header={"alg": alg}))


async def test_the_public_key_is_no_secret_to_sign_with(trusting: Trusting) -> None:
    corp = trusting.sandbox.corp
    (key,) = corp.keys.published
    good = corp.access_token(ANA, MCP)
    published = json.dumps(corp.keys.jwks()["keys"][0]).encode()
    raw = key.public_key
    pem = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (published, pem, pem.strip()):
        header = b64(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": key.kid}).encode())
        head = f"{header}.{good.split('.')[1]}"
        await _refused(trusting, f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())}")


def _payload(token: str) -> str:
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


async def test_a_key_in_the_token_is_not_the_issuers(trusting: Trusting) -> None:
    own, good = ECKey.generate_key("P-256"), trusting.sandbox.corp.access_token(ANA, MCP)
    claims = json.loads(_payload(good))
    for kid in (trusting.sandbox.corp.keys.published[0].kid, "../../key", "own", None):
        for more in ({}, {"jwk": own.as_dict(private=False)}, {"jku": "https://evil.example/jwks"}):
            header = {"alg": "ES256", "typ": "at+jwt", **({"kid": kid} if kid else {}), **more}
            await _refused(trusting, jwt.encode(header, claims, own, algorithms=["ES256"]))


async def test_an_algorithm_that_the_settings_leave_out_is_refused(ground: Ground) -> None:
    strict = ground.trusting('[issuers.corp]\nurl = "https://corp.example/acme"\nalgorithms = ["RS256"]')
    await _refused(strict, strict.sandbox.corp.access_token(ANA, MCP))


async def test_a_clock_may_differ_by_the_skew_and_no_more(trusting: Trusting) -> None:
    corp = trusting.sandbox.corp
    now = corp.now()
    assert await trusting.identity.of_token(corp.access_token(ANA, MCP, exp=now - 29))
    assert await trusting.identity.of_token(corp.access_token(ANA, MCP, nbf=now + 30, iat=now + 30))
    await _refused(trusting, corp.access_token(ANA, MCP, exp=now - 31))
    await _refused(trusting, corp.access_token(ANA, MCP, nbf=now + 31))


async def test_the_agents_behind_the_client_are_the_issuers(trusting: Trusting) -> None:
    act = {"sub": "assistant", "act": {"sub": "planner"}}
    found = await trusting.identity.of_token(trusting.sandbox.corp.access_token(ANA, MCP, act=act))
    assert found.caller.actor.chain == ("corp/planner",)


async def test_a_token_that_was_taken_is_taken_for_as_long_as_it_lasts(trusting: Trusting) -> None:
    """A held call asks for its session again: there is no row of ours, only the token itself."""
    found = await trusting.identity.of_token(trusting.sandbox.corp.access_token(BEN, MCP))
    session = await trusting.identity.session(found.caller.session)
    assert (session.principal, session.actor) == (found.caller.principal, found.caller.actor.client)
    assert session.until == found.claims.until * SECOND
    trusting.clock.advance(HOUR)
    with pytest.raises(Unauthenticated):
        await trusting.identity.session(found.caller.session)


async def test_no_session_can_be_made_up(trusting: Trusting) -> None:
    with pytest.raises(Unauthenticated, match="shown again"):
        await trusting.identity.session("foreign_" + "0" * 32)


async def test_a_new_key_is_fetched_once_and_made_up_ones_are_not(trusting: Trusting) -> None:
    corp = trusting.sandbox.corp
    await trusting.identity.of_token(corp.access_token(ANA, MCP))
    corp.keys.rotate()
    trusting.clock.advance(10 * SECOND)
    await trusting.identity.of_token(corp.access_token(ANA, MCP))
    assert corp.books.asked["jwks"] == 2
    for number in range(50):
        await _refused(trusting, corp.access_token(ANA, MCP, header={"kid": f"made-up-{number}"}))
    assert corp.books.asked["jwks"] == 2


async def test_what_a_dropped_key_signed_ends_within_the_hour(trusting: Trusting) -> None:
    corp = trusting.sandbox.corp
    old = corp.access_token(ANA, MCP, exp=corp.now() + 7200)
    await trusting.identity.of_token(old)
    corp.keys.rotate(keep=False)
    trusting.clock.advance(HOUR)
    await _refused(trusting, old)


async def test_an_issuer_that_fails_is_believed_for_a_day_by_the_keys_it_had(trusting: Trusting) -> None:
    corp = trusting.sandbox.corp
    await trusting.identity.of_token(corp.access_token(ANA, MCP))
    corp.provider.faults.set("api", "status", status=500)
    for _ in range(23):
        trusting.clock.advance(HOUR)
        await trusting.identity.of_token(corp.access_token(ANA, MCP))
    trusting.clock.advance(DAY)
    await _refused(trusting, corp.access_token(ANA, MCP), 503)
    corp.provider.faults.clear()
    trusting.clock.advance(10 * SECOND)
    assert await trusting.identity.of_token(corp.access_token(ANA, MCP))


async def test_an_issuer_that_fails_from_the_start_is_asked_now_and_then(trusting: Trusting) -> None:
    trusting.sandbox.corp.provider.faults.set("api", "status", status=500)
    before = trusting.sandbox.corp.provider.counters.requests.total()
    for _ in range(30):
        await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP), 503)
    assert (
        trusting.sandbox.corp.provider.counters.requests.total() - before == 2
    )  # one for each place of metadata


async def test_a_token_that_was_touched_anywhere_is_refused(trusting: Trusting) -> None:
    """Two thousand of them, one to three characters changed, left out or put in; none breaks anything."""
    chance = random.Random(14)
    good = trusting.sandbox.corp.access_token(ANA, MCP)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \x00é"
    for _ in range(2_000):
        token = good
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(token))
            token = (
                token[:at] + chance.choice(["", chance.choice(letters)]) + token[at + chance.randrange(2) :]
            )
        if not same(token, good):
            await _refused(trusting, token)
    assert await trusting.identity.of_token(good)


def same(token: str, good: str) -> bool:
    """Whether two texts say the same: base64 leaves bits of a part's last character unused."""
    parts = [text.rstrip("=").split(".") for text in (token, good)]
    return len(parts[0]) == 3 and all(_bytes(one) == _bytes(two) for one, two in zip(*parts, strict=True))


def _bytes(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return b""


async def test_what_is_no_token_breaks_nothing(trusting: Trusting) -> None:
    part = b64(json.dumps({"iss": "https://corp.example/acme"}).encode())
    deep = b64(b'{"iss":' + b"[" * 12_000)
    for token in ("", ".", "..", "a.b.c", "é.é.é", "\ud800", f"{part}.{part}.AAAA", f"{part}.{part}."):
        await _refused(trusting, token)
    for token in (f"{deep}.{deep}.x", f"e30.{deep}.x", f"{part}.{part}." + "x" * 100_000):
        await _refused(trusting, token)
