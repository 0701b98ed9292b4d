"""Our access tokens under attack: only what this server signed, for this place, for somebody, now."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from tests.support.tokens import b64, signed
from valetkey.errors import Unauthenticated
from valetkey.identity import Tokens
from valetkey.model import HOUR, Ids, Principal
from valetkey.people import Session
from valetkey.store import Row, Value
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import KeyRing, Purpose, Vault
from valetkey.vault.keys import unlock

ISSUER = "http://localhost:8917"
RESOURCE = f"{ISSUER}/mcp"


@pytest.fixture
def keys(vault: Vault) -> KeyRing:
    return vault.keys


@pytest.fixture
def tokens(store: SqliteStore, keys: KeyRing, clock: FakeClock) -> Tokens:
    return Tokens(store, keys, clock, ISSUER, RESOURCE)


@pytest.fixture
def session(clock: FakeClock) -> Session:
    now = clock.now()
    return Session("ses_1", "token", Principal("local", "per_1"), "agt_1", now, now + HOUR)


def _part(value: Any) -> str:
    return b64(json.dumps(value).encode())


def _claims(session: Session, **changed: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": session.principal.subject,
        "client_id": session.actor,
        "sid": session.id,
        "scope": "mcp",
        "iat": session.created // 1000,
        "exp": session.until // 1000,
    } | changed
    return {name: value for name, value in claims.items() if value is not None}


async def test_a_minted_token_says_what_its_session_says(tokens: Tokens, session: Session) -> None:
    claims = tokens.verified(tokens.mint(session))
    assert (claims.subject, claims.client, claims.sid) == ("per_1", "agt_1", "ses_1")
    assert (claims.scopes, claims.resource) == (("mcp",), RESOURCE)
    assert claims.until == session.until // 1000


async def test_anybody_can_verify_it_with_the_published_key(tokens: Tokens, session: Session) -> None:
    (public,) = tokens.jwks()["keys"]
    token = jwt.decode(tokens.mint(session), OKPKey.import_key(public), algorithms=["Ed25519"])
    assert token.header == {"alg": "Ed25519", "typ": "at+jwt", "kid": public["kid"]}
    assert token.claims["iss"] == ISSUER


async def test_what_this_file_signs_by_hand_is_what_the_server_would(
    tokens: Tokens, keys: KeyRing, session: Session
) -> None:
    """Else the refusals below would prove nothing."""
    assert tokens.verified(signed(keys, _claims(session))).subject == "per_1"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"iss": "http://localhost:8918"}, id="another issuer"),
        pytest.param({"iss": ISSUER + "/"}, id="issuer with a slash"),
        pytest.param({"iss": "HTTP://LOCALHOST:8917"}, id="issuer in capitals"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"aud": ISSUER}, id="the server, not its endpoint"),
        pytest.param({"aud": RESOURCE + "/"}, id="audience with a slash"),
        pytest.param({"aud": RESOURCE.upper()}, id="audience in capitals"),
        pytest.param({"aud": [RESOURCE]}, id="a list of one"),
        pytest.param({"aud": [RESOURCE, "https://other.example"]}, id="several audiences"),
        pytest.param({"aud": "https://other.example/mcp"}, id="another server"),
        pytest.param({"exp": None}, id="no end"),
        pytest.param({"exp": 1}, id="long over"),
        pytest.param({"client_id": None}, id="no client"),
        pytest.param({"client_id": ""}, id="an empty client"),
        pytest.param({"sid": None}, id="no session"),
    ],
)
async def test_a_signed_token_for_something_else_is_refused(
    tokens: Tokens, keys: KeyRing, session: Session, changed: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        tokens.verified(signed(keys, _claims(session, **changed)))
    assert refused.value.status == 401


@pytest.mark.parametrize("subject", [None, ""])
async def test_a_token_of_nobody_is_forbidden(
    tokens: Tokens, keys: KeyRing, session: Session, subject: str | None
) -> None:
    """A client's own token (RFC 6749 section 4.4) acts for no person, and never for a shared one (M5)."""
    with pytest.raises(Unauthenticated) as refused:
        tokens.verified(signed(keys, _claims(session, sub=subject)))
    assert refused.value.status == 403


@pytest.mark.parametrize("typ", ["JWT", "id+jwt", "oauth-id-jag+jwt", "AT+JWT ", ""])
async def test_a_signed_token_of_another_kind_is_refused(
    tokens: Tokens, keys: KeyRing, session: Session, typ: str
) -> None:
    with pytest.raises(Unauthenticated, match="not an access token"):
        tokens.verified(signed(keys, _claims(session), {"typ": typ}))


async def test_a_token_ends_with_its_time(tokens: Tokens, session: Session, clock: FakeClock) -> None:
    token = tokens.mint(session)
    clock.advance(HOUR + 10_000)
    with pytest.raises(Unauthenticated):
        tokens.verified(token)


def _forged(session: Session, header: Mapping[str, Any], signature: bytes = b"") -> str:
    return f"{_part(header)}.{_part(_claims(session))}.{b64(signature)}"


async def test_unsigned_tokens_are_refused(tokens: Tokens, session: Session) -> None:
    for alg in ("none", "None", "NONE", "nOnE", "", None, ["Ed25519"], 1):
        with pytest.raises(Unauthenticated):
            tokens.verified(_forged(session, {"alg": alg, "typ": "at+jwt"}))


async def test_the_public_key_is_no_secret_to_sign_with(
    tokens: Tokens, keys: KeyRing, session: Session
) -> None:
    """HS256 over the published key, in every form somebody could have it."""
    key = keys.server(Purpose.TOKEN_SIGNING)
    (published,) = tokens.jwks()["keys"]
    for secret in (key.public(), b64(key.public()).encode(), json.dumps(published).encode()):
        head = f"{_part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': key.kid})}.{_part(_claims(session))}"
        signature = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        with pytest.raises(Unauthenticated):
            tokens.verified(f"{head}.{b64(signature)}")


@pytest.mark.parametrize(
    "kid", ["own", "../../key", "/dev/null", "' OR 1=1 --", "", None, 1, ["a"], {"a": 1}]
)
async def test_a_key_of_ones_own_is_not_ours_whatever_it_is_called(
    tokens: Tokens, keys: KeyRing, session: Session, kid: Any
) -> None:
    own = Ed25519PrivateKey.generate()
    kid = keys.server(Purpose.TOKEN_SIGNING).kid if kid == "own" else kid
    public = {"kty": "OKP", "crv": "Ed25519", "x": b64(own.public_key().public_bytes_raw())}
    for more in ({}, {"jwk": public}, {"jku": "http://evil.test/jwks.json"}, {"x5u": "http://evil.test"}):
        head = f"{_part({'alg': 'Ed25519', 'typ': 'at+jwt', 'kid': kid, **more})}.{_part(_claims(session))}"
        signature = own.sign(head.encode())
        with pytest.raises(Unauthenticated):
            tokens.verified(f"{head}.{b64(signature)}")


async def test_other_algorithms_are_refused(tokens: Tokens, session: Session) -> None:
    for alg, key in (("ES256", ECKey.generate_key("P-256")), ("HS512", OctKey.generate_key(512))):
        token = jwt.encode({"alg": alg, "typ": "at+jwt"}, _claims(session), key, algorithms=[alg])
        with pytest.raises(Unauthenticated):
            tokens.verified(token)


async def test_a_changed_claim_breaks_the_signature(tokens: Tokens, session: Session) -> None:
    head, _, signature = tokens.mint(session).split(".")
    with pytest.raises(Unauthenticated):
        tokens.verified(f"{head}.{_part(_claims(session, sub='per_2'))}.{signature}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d.e",
        "é.é.é",
        "\ud800",
        _part("text") + ".e30.AAAA",
        _part(None) + ".e30.AAAA",
        b64(b"[" * 5000) + ".e30.AAAA",
        _part({"alg": "Ed25519", "crit": ["b64"], "b64": False}) + ".e30.AAAA",
        _part({"alg": "dir", "enc": "A128GCM"}) + "..AAAA.AAAA.AAAA",
        "x" * 100_000,
    ],
)
async def test_what_is_no_token_is_refused_and_breaks_nothing(tokens: Tokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verified(token)


async def _rotated(store: SqliteStore, keys: KeyRing, ids: Ids, clock: FakeClock) -> None:
    """Another process makes a new key; `keys` do not hear of it."""
    async with store.transaction() as tx:
        await keys.rotate_server_key(tx, Purpose.TOKEN_SIGNING, ids, clock, accepted_for=HOUR)


@pytest.fixture
async def elsewhere(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Tokens:
    """The tokens of another process on the same store."""
    keys = await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes)
    return Tokens(store, keys, clock, ISSUER, RESOURCE)


async def test_a_key_that_another_process_made_is_picked_up_with_its_first_token(
    tokens: Tokens,
    elsewhere: Tokens,
    session: Session,
    store: SqliteStore,
    keys: KeyRing,
    ids: Ids,
    clock: FakeClock,
) -> None:
    before = elsewhere.mint(session)
    await _rotated(store, keys, ids, clock)
    await tokens.renew()
    after = tokens.mint(session)
    assert [(await elsewhere.known(token)).sid for token in (after, before)] == ["ses_1", "ses_1"]
    assert elsewhere.jwks() == tokens.jwks()
    assert len(tokens.jwks()["keys"]) == 2
    assert await elsewhere.known(elsewhere.mint(session)) == await tokens.known(after)


async def test_many_tokens_of_a_new_key_at_once_are_all_known(
    tokens: Tokens,
    elsewhere: Tokens,
    session: Session,
    store: SqliteStore,
    keys: KeyRing,
    ids: Ids,
    clock: FakeClock,
) -> None:
    await _rotated(store, keys, ids, clock)
    await tokens.renew()
    known = []

    async def show(lasts: int) -> None:
        known.append(await elsewhere.known(tokens.mint(session, lasts)))

    async with anyio.create_task_group() as tasks:
        for seconds in range(1, 9):
            tasks.start_soon(show, seconds * 1000)
    assert len(known) == 8


async def test_made_up_keys_make_the_store_read_once_a_second_at_most(
    vault: Vault, session: Session, store: SqliteStore, ids: Ids, clock: FakeClock
) -> None:
    reads = _Counted(store)
    tokens = Tokens(reads, vault.keys, clock, ISSUER, RESOURCE)
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await tokens.known(_forged(session, {"alg": "Ed25519", "typ": "at+jwt", "kid": "key_made_up"}))
    assert reads.count == 1
    clock.advance(1_000)
    await tokens.renew()
    assert reads.count == 2


class _Counted:
    """A store that counts how often it was asked for everything of something."""

    def __init__(self, store: SqliteStore) -> None:
        self._store, self.count = store, 0

    async def all(self, sql: str, *values: Value) -> list[Row]:
        self.count += 1
        return await self._store.all(sql, *values)

    async def few(self, sql: str, *values: Value) -> list[Row]:
        return await self._store.few(sql, *values)

    async def one(self, sql: str, *values: Value) -> Row | None:
        return await self._store.one(sql, *values)
