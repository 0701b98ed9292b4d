"""A trip to a provider and back: state and PKCE made after consent, checked before anything is redeemed.

What the trip is for, and what the person allowed, is kept for it unread; `needs` gives it a meaning.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from valetkey.connections.endpoint import Awake, oauth2
from valetkey.errors import Dormant, IntegrityError, PageError
from valetkey.manifest import Connector
from valetkey.model import MINUTE, Clock, Ids, Json, Randomness, Registration
from valetkey.store import Row, Store
from valetkey.vault import Purpose, Vault

LASTS = 10 * MINUTE
_PURPOSE = "flow"
_ONCE = ("state", "code", "iss", "error")
_ERRORS = frozenset(
    {
        "access_denied",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)

Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Trip:
    """A flow that came back with a code, checked and consumed. `luggage` is what was put in for it."""

    request: str
    registration: str
    code: str
    verifier: str
    luggage: Json


def asleep(dormant: Dormant) -> PageError:
    """What a person is told who would connect on a copy of the store that is not the live one."""
    return PageError(503, "This server is not in use", dormant.text)


class TurnedAway(PageError):
    """The provider sent the person back without a code; `request` is whose access request it was.

    `code` is the provider's error where it is one of RFC 6749 section 4.1.2.1, else `other`.
    """

    def __init__(self, request: str, code: str) -> None:
        self.request, self.code = request, code
        text = "The provider did not give access. Nothing was connected; you can try again."
        super().__init__(400, "No access was given", text)


class Flows:
    """Begins trips and receives them. One at a time for an access request: a new one replaces the last."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        ids: Ids,
        clock: Clock,
        randomness: Randomness,
        public_url: str,
        awake: Awake,
    ) -> None:
        self._store, self._vault, self._ids, self._clock = store, vault, ids, clock
        self._randomness, self._public_url, self._awake = randomness, public_url, awake

    def redirect_uri(self, registration: str) -> str:
        """The one redirect URI of a registration: a constant, never built from a request."""
        return f"{self._public_url}/callback/{registration}"

    async def begin(
        self,
        request: str,
        session: str,
        connector: Connector,
        client: Registration,
        scopes: frozenset[str],
        luggage: Mapping[str, Json],
        *,
        hint: str | None = None,
    ) -> str:
        """Store a new flow bound to a browser's session; return the provider's URL to send it to.

        `hint` is the account it is about, for providers that then offer it first. Raises PageError 503 on a
        copy of the store that is not the live one.
        """
        await self._refuse_asleep()
        state, verifier = self._random(), self._random(48)
        flow = self._ids.new("flw")
        bound_to = {"request": request, "session": session, "registration": client.name}
        sealed = {"verifier": verifier, "luggage": dict(luggage), "connector": connector.name, **bound_to}
        values = (request, flow, client.name, session, self._digest(state), self._clock.now() + LASTS)
        async with self._store.transaction() as tx:
            last = await tx.one("SELECT id FROM flows WHERE request = $1", request)
            if last:
                await self._vault.forget(tx, _PURPOSE, last["id"])
            await tx.run(_BEGIN, *values)
            await self._vault.put(tx, _PURPOSE, flow, sealed)
        return self._authorize_url(connector, client, scopes, state, verifier, hint)

    async def receive(
        self, registration: str, params: Params, session: str, issuers: Mapping[str, str | None]
    ) -> Trip:
        """Check a callback, then consume its flow: a wrong one must not burn the right one.

        `issuers` maps a connector's name to the `iss` its provider has to send (RFC 9207), if any.
        Raises PageError 400, 403, 503 as `begin` does; TurnedAway when the provider sent an error.
        """
        await self._refuse_asleep()
        found = _once(params)
        row = await self._found(registration, found, session)
        sealed = await self._consumed(row, found.get("iss"), issuers)
        if "code" not in found:
            raise TurnedAway(row["request"], _code(found["error"]))
        return Trip(row["request"], registration, found["code"], sealed["verifier"], sealed["luggage"])

    async def _refuse_asleep(self) -> None:
        try:
            await self._awake()
        except Dormant as dormant:
            raise asleep(dormant) from None

    async def _found(self, registration: str, found: Mapping[str, str], session: str) -> Row:
        row = await self._store.one(_FLOW, self._digest(found.get("state", "")), self._clock.now())
        if row is None or row["registration"] != registration:
            raise _refused()
        if row["session"] != session:
            raise PageError(403, "This is not your link", "Open the link in the browser where you began.")
        return row

    async def _consumed(self, row: Row, iss: str | None, issuers: Mapping[str, str | None]) -> Json:
        """Use a flow up and return what was sealed for it; a wrong issuer undoes that again."""
        async with self._store.transaction() as tx:
            if not await tx.run("DELETE FROM flows WHERE id = $1", row["id"]):
                raise PageError(400, "Already used", "This answer of the provider was used already.")
            sealed = (await self._vault.open(tx, _PURPOSE, row["id"])).content
            if any(sealed[name] != row[name] for name in ("request", "session", "registration")):
                raise IntegrityError("a flow is not of whom its row says")
            expected = issuers.get(sealed["connector"])
            if expected is not None and iss != expected:
                raise _refused()
            await self._vault.forget(tx, _PURPOSE, row["id"])
        return sealed

    async def forget_late(self) -> None:
        """Remove the flows nobody came back from: their verifiers need not outlive their ten minutes."""
        async with self._store.transaction() as tx:
            for row in await tx.all("SELECT id FROM flows WHERE until <= $1", self._clock.now()):
                await self._vault.forget(tx, _PURPOSE, row["id"])
                await tx.run("DELETE FROM flows WHERE id = $1", row["id"])

    def _authorize_url(
        self,
        connector: Connector,
        client: Registration,
        scopes: frozenset[str],
        state: str,
        verifier: str,
        hint: str | None,
    ) -> str:
        auth = oauth2(connector)
        more = dict(auth.authorize_params)
        if auth.login_hint and hint:
            more[auth.login_hint] = hint
        more[auth.scope_param] = auth.scope_separator.join(sorted(scopes))
        if auth.pkce != "off":
            more |= {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        redirect_uri = self.redirect_uri(client.name)
        url: str = prepare_grant_uri(
            auth.authorize_url, client.client_id, "code", redirect_uri=redirect_uri, state=state, **more
        )
        return url

    def _random(self, size: int = 32) -> str:
        return base64.urlsafe_b64encode(self._randomness(size)).decode().rstrip("=")

    def _digest(self, state: str) -> str:
        return self._vault.keys.server(Purpose.LOOKUP).digest(f"state {state}")


def _once(params: Params) -> dict[str, str]:
    """The parameters a callback may carry, each once (RFC 6749 section 3.1)."""
    names = [name for name, _ in params if name in _ONCE]
    if len(names) != len(set(names)) or ("code" in names) == ("error" in names):
        raise _refused()
    return {name: value for name, value in params if name in _ONCE}


def _code(error: str) -> str:
    return error if error in _ERRORS else "other"


def _refused() -> PageError:
    text = "This answer does not belong to anything you began here, or it came too late. Open the link again."
    return PageError(400, "This did not work", text)


_BEGIN = """
INSERT INTO flows (request, id, registration, session, state, until) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (request) DO UPDATE SET id = excluded.id, registration = excluded.registration,
  session = excluded.session, state = excluded.state, until = excluded.until"""
_FLOW = "SELECT request, id, registration, session FROM flows WHERE state = $1 AND until > $2"
