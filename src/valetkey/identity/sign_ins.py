"""A trip to an issuer and back: to sign in there, or to show that a person who is signed in is there now.

State, PKCE and nonce are made for one browser and used once; a wrong answer does not burn the right one.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from valetkey.egress import Egress
from valetkey.errors import IssuerFailed, PageError, Unauthenticated
from valetkey.identity.asking import posted, told_name
from valetkey.identity.client_secrets import ClientSecrets
from valetkey.identity.discovery import Discovery, Metadata
from valetkey.identity.id_tokens import IdTokens, SignedIn
from valetkey.identity.issuers import Issuer
from valetkey.model import MINUTE, SECOND, Clock, Ids, Json, Randomness
from valetkey.settings.issuers import SignInSettings
from valetkey.store import Row, Store, Transaction
from valetkey.vault import Purpose, Vault

LASTS = 10 * MINUTE
ANEW = 2 * MINUTE
"""How long ago somebody may have signed in who shows that they are there now."""

_PURPOSE = "sign_in"
_MOST = 5_000
"""Trips that may be under way at once. One more forgets the oldest: anybody can set out."""

_ONCE = ("state", "code", "iss", "error")
Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody who came back. `luggage` is what was put in for the trip."""

    who: SignedIn
    luggage: Json


class SignIns:
    """Begins such trips and receives them."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        ids: Ids,
        clock: Clock,
        randomness: Randomness,
        egress: Egress,
        discovery: Discovery,
        secrets: ClientSecrets,
        id_tokens: IdTokens,
        public_url: str,
    ) -> None:
        self._store, self._vault, self._ids, self._clock = store, vault, ids, clock
        self._randomness, self._egress, self._discovery = randomness, egress, discovery
        self._secrets, self._id_tokens, self._public_url = secrets, id_tokens, public_url

    def redirect_uri(self, issuer: Issuer) -> str:
        """Where an issuer sends people back to: a constant, never built from a request."""
        return f"{self._public_url}/signin/{issuer.key}/callback"

    async def begin(self, issuer: Issuer, browser: str, luggage: Json, *, anew: bool) -> str:
        """Return the address to send a browser to. `anew`: the person has to sign in, also if they are.

        `browser` is a text that no other browser has. Raises IssuerFailed.
        """
        metadata = await self._discovery.metadata(issuer)
        if (place := metadata.authorize) is None:
            raise IssuerFailed(f"{issuer.key} publishes no authorization_endpoint")
        if not metadata.pkce:  # a code that anybody can redeem who sees it (RFC 9700 section 2.1.1)
            raise IssuerFailed(f"{issuer.key} says that it does not do PKCE with S256")
        trip = {name: self._random() for name in ("state", "verifier", "nonce")}
        sealed = {**trip, "luggage": luggage, "anew": anew, "began": self._clock.now()}
        async with self._store.transaction() as tx:
            await self._keep(tx, issuer, browser, sealed)
        query = self._query(issuer, trip, anew=anew)
        return self._egress.reroute(f"{place}{'&' if '?' in place else '?'}{urlencode(query)}")

    async def arrive(self, issuer: Issuer, params: Params, browser: str) -> Arrived:
        """Check an answer, use its trip up, and return who signed in.

        Raises PageError 400 or 403, and IssuerFailed and Unauthenticated for what the issuer then says.
        """
        found, metadata = _once(params), await self._discovery.metadata(issuer)
        if found.get("iss", None if metadata.sends_iss else issuer.url) != issuer.url:
            raise _refused()  # RFC 9207 section 2.4: another issuer's answer
        trip = await self._used_up(await self._found(issuer, found, browser))
        if "code" not in found:
            raise PageError(400, "You are not signed in", "The sign-in was not finished there. Try again.")
        who = await self._redeemed(issuer, metadata, found["code"], trip)
        if trip["anew"] and not self._just_now(issuer, who, trip["began"]):
            raise PageError(
                403, "That sign-in was an older one", "Sign in there again when you are asked to."
            )
        return Arrived(who, trip["luggage"])

    async def forget_late(self) -> None:
        """Remove what nobody came back from: a verifier need not outlive its ten minutes."""
        async with self._store.transaction() as tx:
            await self._forget(
                tx, await tx.all("SELECT id FROM sign_ins WHERE until <= $1", self._clock.now())
            )

    async def _keep(self, tx: Transaction, issuer: Issuer, browser: str, sealed: Mapping[str, Json]) -> None:
        now, digest = self._clock.now(), self._digest(browser)
        await self._forget(tx, await tx.all(_OUT, digest, _MOST))
        trip = self._ids.new("sgn")
        values = (digest, trip, issuer.key, self._digest(sealed["state"]), now + LASTS)
        await tx.run("INSERT INTO sign_ins VALUES ($1, $2, $3, $4, $5)", *values)
        await self._vault.put(tx, _PURPOSE, trip, dict(sealed))

    async def _forget(self, tx: Transaction, trips: Sequence[Row]) -> None:
        for row in trips:
            await tx.run("DELETE FROM sign_ins WHERE id = $1", row["id"])
            await self._vault.forget(tx, _PURPOSE, row["id"])

    async def _found(self, issuer: Issuer, found: Mapping[str, str], browser: str) -> Row:
        sql = "SELECT id, browser FROM sign_ins WHERE state = $1 AND issuer = $2 AND until > $3"
        state = self._digest(found.get("state", ""))
        row = await self._store.one(sql, state, issuer.key, self._clock.now())
        if row is None:
            raise _refused()
        if row["browser"] != self._digest(browser):
            raise PageError(403, "This is not your sign-in", "Sign in again, in the browser where you began.")
        return row

    async def _used_up(self, row: Row) -> Json:
        async with self._store.transaction() as tx:
            if not await tx.run("DELETE FROM sign_ins WHERE id = $1", row["id"]):
                raise PageError(400, "Already used", "This answer was used already. Sign in again.")
            trip = (await self._vault.open(tx, _PURPOSE, row["id"])).content
            await self._vault.forget(tx, _PURPOSE, row["id"])
        return trip

    async def _redeemed(self, issuer: Issuer, metadata: Metadata, code: str, trip: Json) -> SignedIn:
        """Redeem a code (OpenID Connect Core section 3.1.3) and read the ID token that comes for it."""
        if metadata.token is None:
            raise IssuerFailed(f"{issuer.key} publishes no token_endpoint")
        client_id = _client(issuer).client_id
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri(issuer)}
        form["code_verifier"] = trip["verifier"]
        secret = await self._secrets.get(issuer, client_id)
        answer = await posted(self._egress, metadata.token, form, client_id, secret)
        if not isinstance(token := answer.get("id_token"), str):
            raise Unauthenticated("no ID token came")
        who = await self._id_tokens.read(issuer, client_id, token, trip["nonce"])
        if who.name is None and metadata.userinfo:
            access = answer.get("access_token")
            return who.called(await told_name(self._egress, metadata.userinfo, access, who.subject))
        return who

    def _just_now(self, issuer: Issuer, who: SignedIn, began: int) -> bool:
        """Whether somebody signed in on this trip, by the issuer's clock and ours."""
        now, skew = self._clock.now(), issuer.rules.skew * SECOND
        earliest = max(now - ANEW, began) - skew
        return who.at is not None and earliest <= who.at + SECOND and who.at <= now + skew

    def _query(self, issuer: Issuer, trip: Mapping[str, str], *, anew: bool) -> dict[str, str]:
        client = _client(issuer)
        digest = hashlib.sha256(trip["verifier"].encode()).digest()
        return {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": self.redirect_uri(issuer),
            "scope": " ".join(client.scopes),
            "state": trip["state"],
            "nonce": trip["nonce"],
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if anew else {}),
        }

    def _random(self) -> str:
        return base64.urlsafe_b64encode(self._randomness(32)).decode().rstrip("=")

    def _digest(self, text: str) -> str:
        return self._vault.keys.server(Purpose.LOOKUP).digest(f"sign-in {text}")


def _client(issuer: Issuer) -> SignInSettings:
    if issuer.rules.sign_in is None:
        raise PageError(404, "There is nothing here", "Nobody signs in there.")
    return issuer.rules.sign_in


def _once(params: Params) -> dict[str, str]:
    """The parameters that an answer may carry, each once (RFC 6749 section 3.1)."""
    names = [name for name, _ in params if name in _ONCE]
    if len(names) != len(set(names)) or ("code" in names) == ("error" in names):
        raise _refused()
    return {name: value for name, value in params if name in _ONCE}


def _refused() -> PageError:
    text = "This answer does not belong to a sign-in that was begun here, or it came too late. Sign in again."
    return PageError(400, "This did not work", text)


_OUT = """
SELECT id FROM sign_ins WHERE browser = $1
UNION SELECT id FROM (SELECT id FROM sign_ins ORDER BY until DESC LIMIT 100 OFFSET $2) AS oldest"""
