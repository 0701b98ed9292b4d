"""Client assertions under attack: only what the client's own key signed, for us, now, and once."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.authserver.issuing import URL, Issuing, Key, assertion
from tests.support.tokens import b64
from valetkey.authserver.authentication import ASSERTION_TYPE
from valetkey.model import HOUR, MINUTE, Json
from valetkey.people import Agent

ED = OKPKey.generate_key("Ed25519")
EC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
KNOWN = "invalid_grant"
"""The client was let through to the grant type, which knows no such refresh token."""


@pytest.fixture
async def triage(desk: Issuing) -> Agent:
    return await desk.keyed(ED)


async def shown(desk: Issuing, **form: str) -> str:
    """What becomes of a client that shows this."""
    asked = {"grant_type": "refresh_token", "refresh_token": "none", **form}
    answer = await desk.post("/token", asked)
    assert answer.status_code == (400 if answer.json()["error"] == KNOWN else 401), answer.text
    return str(answer.json()["error"])


def raw(header: Json, claims: Json, signature: bytes = b"") -> dict[str, str]:
    """An assertion written by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return form(".".join(b64(part) for part in parts))


def form(text: str) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


@pytest.mark.parametrize(
    ("alg", "key"), [("Ed25519", ED), ("ES256", EC), ("RS256", RSA), ("PS256", RSA)], ids=lambda v: str(v)[:8]
)
async def test_each_algorithm_is_accepted_with_a_key_of_its_kind(desk: Issuing, alg: str, key: Key) -> None:
    client = await desk.keyed(key)
    assert await shown(desk, **assertion(key, desk.clock, client.id, {"alg": alg})) == KNOWN


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_the_old_name_of_ed25519_is_accepted_and_nobody_is_warned_of_it(
    desk: Issuing, triage: Agent
) -> None:
    assert await shown(desk, **assertion(ED, desk.clock, triage.id, {"alg": "EdDSA"})) == KNOWN


@pytest.mark.parametrize("audience", [URL, f"{URL}/token", [URL], [URL, f"{URL}/token"]])
async def test_an_assertion_is_for_our_issuer_or_token_endpoint(
    desk: Issuing, triage: Agent, audience: Json
) -> None:
    assert await shown(desk, **assertion(ED, desk.clock, triage.id, aud=audience)) == KNOWN


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.test/token"},
        {"aud": [URL, "https://other.test"]},
        {"aud": []},
        {"aud": {}},
        {"aud": None},
        {"aud": f"{URL}/"},
        {"aud": f"{URL}/mcp"},
        {"iss": "cli_other"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["cli_triage"]},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "j" * 257},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**30},
        {"exp": 0},
        {"exp": -1},
    ],
    ids=str,
)
async def test_an_assertion_with_anything_else_in_it_is_refused(
    desk: Issuing, triage: Agent, changed: dict[str, Json]
) -> None:
    assert await shown(desk, **assertion(ED, desk.clock, triage.id, **changed)) == "invalid_client"


async def test_an_assertion_is_for_a_time_that_is_near(desk: Issuing, triage: Agent) -> None:
    now = desk.clock.now() // 1000
    for changed in (
        {"exp": now - 30},
        {"exp": now + 631},
        {"nbf": now + 60},
        {"iat": now + 60},
        {"iat": "now"},
    ):
        assert await shown(desk, **assertion(ED, desk.clock, triage.id, **changed)) == "invalid_client"
    for good in ({"exp": now + 600}, {"exp": now + 0.5}, {"nbf": now}, {"iat": now - 500}, {"iat": None}):
        assert await shown(desk, **assertion(ED, desk.clock, triage.id, **good)) == KNOWN


async def test_a_replayed_assertion_is_refused_for_as_long_as_it_could_be_good(
    desk: Issuing, triage: Agent
) -> None:
    until = desk.clock.now() // 1000 + 600
    once = assertion(ED, desk.clock, triage.id, jti="one", exp=until)
    assert await shown(desk, **once) == KNOWN
    for _ in range(12):
        assert await shown(desk, **once) == "invalid_client"
        desk.clock.advance(MINUTE)
    same_id = assertion(ED, desk.clock, triage.id, jti="one")
    assert await shown(desk, **same_id) == KNOWN


async def test_two_clients_may_use_the_same_id(desk: Issuing, triage: Agent) -> None:
    other = await desk.keyed(EC, "other")
    assert await shown(desk, **assertion(ED, desk.clock, triage.id, jti="one")) == KNOWN
    by_other = assertion(EC, desk.clock, other.id, {"alg": "ES256"}, jti="one")
    assert await shown(desk, **by_other) == KNOWN


async def test_a_refused_assertion_does_not_use_up_its_id(desk: Issuing, triage: Agent) -> None:
    forged = assertion(OKPKey.generate_key("Ed25519"), desk.clock, triage.id, jti="one")
    assert await shown(desk, **forged) == "invalid_client"
    assert await shown(desk, **assertion(ED, desk.clock, triage.id, jti="one")) == KNOWN


async def test_another_clients_key_proves_nothing(desk: Issuing, triage: Agent) -> None:
    other = await desk.keyed(EC, "other")
    for claims in ({"iss": other.id}, {"sub": other.id}, {}):
        by_other = assertion(EC, desk.clock, triage.id, {"alg": "ES256"}, **claims)
        assert await shown(desk, **by_other) == "invalid_client"


async def test_no_signature_and_none_as_algorithm_are_refused(desk: Issuing, triage: Agent) -> None:
    claims = _claims(desk, triage)
    algorithms: tuple[Json, ...] = ("none", "None", "NONE", "", None, 0, [], {})
    for alg in algorithms:
        assert await shown(desk, **raw({"alg": alg, "kid": "k1"}, claims)) == "invalid_client"
    assert await shown(desk, **raw({"kid": "k1"}, claims)) == "invalid_client"
    signed = assertion(ED, desk.clock, triage.id)["client_assertion"]
    assert await shown(desk, **form(signed.rpartition(".")[0] + ".")) == "invalid_client"
    assert await shown(desk, **form(signed.rpartition(".")[0])) == "invalid_client"


@pytest.mark.parametrize(
    ("key", "alg"), [(ED, "HS256"), (RSA, "HS256"), (EC, "HS512")], ids=("ed", "rsa", "ec")
)
async def test_a_public_key_is_never_taken_for_an_hmacs_secret(desk: Issuing, key: Key, alg: str) -> None:
    client = await desk.keyed(key)
    public = key.as_dict(private=False)
    guesses = [json.dumps(public).encode(), key.as_pem(private=False), str(public.get("x", "")).encode()]
    head = ".".join(
        b64(json.dumps(part).encode()) for part in ({"alg": alg, "kid": "k1"}, _claims(desk, client))
    )
    for guess in guesses:
        signature = hmac.new(guess, head.encode(), hashlib.sha256 if alg == "HS256" else hashlib.sha512)
        assert await shown(desk, **form(f"{head}.{b64(signature.digest())}")) == "invalid_client"


async def test_a_registered_symmetric_key_proves_nothing(desk: Issuing) -> None:
    shared = OctKey.generate_key(256)
    how: dict[str, Any] = {"jwks": {"keys": [{**shared.as_dict(), "kid": "k1"}]}}
    client = await desk.client("shared", token_endpoint_auth_method="private_key_jwt", **how)
    text = jwt.encode({"alg": "HS256", "kid": "k1"}, _claims(desk, client), shared)
    assert await shown(desk, **form(text)) == "invalid_client"


async def test_what_the_header_says_of_keys_is_not_believed(desk: Issuing, triage: Agent) -> None:
    mine = OKPKey.generate_key("Ed25519")
    for header in (
        {"jwk": mine.as_dict(private=False)},
        {"jku": "https://evil.test/jwks.json"},
        {"x5u": "https://evil.test/cert.pem"},
        {"kid": "../../k1"},
        {"kid": "k1' OR '1'='1"},
        {"kid": ""},
        {"kid": None},
        {"crit": ["exp"]},
    ):
        claims = _claims(desk, triage)
        signed = _signed({"alg": "Ed25519", "kid": "k1", **header}, claims, mine)
        assert await shown(desk, **form(signed)) == "invalid_client"


async def test_what_a_client_signs_for_another_purpose_is_no_assertion(desk: Issuing, triage: Agent) -> None:
    for typ in ("at+jwt", "dpop+jwt", ""):
        other = assertion(ED, desk.clock, triage.id, {"typ": typ})
        assert await shown(desk, **other) == "invalid_client"
    for typ in ("JWT", "client-authentication+jwt"):
        assert await shown(desk, **assertion(ED, desk.clock, triage.id, {"typ": typ})) == KNOWN


async def test_an_access_token_of_ours_is_no_assertion(desk: Issuing, triage: Agent) -> None:
    session = await desk.session(triage)
    assert await shown(desk, **form(desk.tokens.mint(session))) == "invalid_client"


async def test_without_an_id_each_registered_key_is_tried_and_with_one_that_one_alone(desk: Issuing) -> None:
    first, second = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    keys = [{**key.as_dict(private=False), "kid": kid} for key, kid in ((first, "a"), (second, "b"))]
    client = await desk.client("two", token_endpoint_auth_method="private_key_jwt", jwks={"keys": keys})
    claims = _claims(desk, client)
    assert await shown(desk, **form(_signed({"alg": "Ed25519"}, claims, second))) == KNOWN
    by_other = form(_signed({"alg": "Ed25519", "kid": "a"}, {**claims, "jti": "2"}, second))
    assert await shown(desk, **by_other) == "invalid_client"


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        {},
        {"keys": None},
        {"keys": []},
        {"keys": ["text", None, 7]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "!!"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": 7}]},
        {"keys": [{"kty": ["OKP"], "crv": "Ed25519"}]},
        "text",
        [],
    ],
    ids=str,
)
async def test_registered_keys_that_cannot_be_read_let_nobody_in(desk: Issuing, jwks: Json) -> None:
    client = await desk.client("broken", token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert await shown(desk, **assertion(ED, desk.clock, client.id)) == "invalid_client"


async def test_a_key_for_encryption_or_a_weak_one_signs_nothing(desk: Issuing) -> None:
    client = await desk.keyed(ED, "encrypting", use="enc")
    assert await shown(desk, **assertion(ED, desk.clock, client.id)) == "invalid_client"
    with pytest.warns(match="Key size"):
        weak = RSAKey.generate_key(1024)
    client = await desk.keyed(weak, "weak")
    text = assertion(weak, desk.clock, client.id, {"alg": "RS256"})
    assert await shown(desk, **text) == "invalid_client"


async def test_keys_at_an_address_are_refused_in_words(desk: Issuing) -> None:
    client = await desk.client(
        "remote", token_endpoint_auth_method="private_key_jwt", jwks_uri="https://app.test/jwks.json"
    )
    asked = {"grant_type": "refresh_token", **assertion(ED, desk.clock, client.id)}
    refused = (await desk.post("/token", asked)).json()
    assert refused["error"] == "invalid_client"
    assert "jwks_uri" in refused["error_description"]


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b.c", "é.é.é", "e30.e30.", "." * 50, f"e30.{b64(b'[' * 3_000)}.", "x" * 9_000],
    ids=lambda text: text[:12],
)
async def test_what_is_no_assertion_is_refused(desk: Issuing, triage: Agent, text: str) -> None:
    answer = await desk.post("/token", {"grant_type": "refresh_token", **form(text)})
    assert answer.status_code in {400, 401}


async def test_an_assertion_is_forgotten_once_it_could_not_be_replayed(desk: Issuing, triage: Agent) -> None:
    await shown(desk, **assertion(ED, desk.clock, triage.id))
    desk.clock.advance(HOUR)
    await shown(desk, **assertion(ED, desk.clock, triage.id))
    assert len(await desk.store.all("SELECT 1 FROM seen")) == 1


def _claims(desk: Issuing, client: Agent) -> dict[str, Json]:
    now = desk.clock.now() // 1000
    return {"iss": client.id, "sub": client.id, "aud": URL, "jti": "1", "iat": now, "exp": now + 60}


def _signed(header: dict[str, Json], claims: dict[str, Json], key: OKPKey) -> str:
    """Sign whatever the header says, which the library would not: the first part is put in place by hand."""
    head = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    plain = jws.JWSRegistry(algorithms=["Ed25519"]).get_alg("Ed25519")
    return f"{head}.{b64(plain.sign(head.encode(), key))}"
