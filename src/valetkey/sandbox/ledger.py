"""What one provider has issued: grants, codes, access and refresh tokens, and when each of them dies.

No HTTP here, and no code of the OAuth client it is there to check.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from valetkey.errors import ValetkeyError
from valetkey.model import SECOND, Clock, Json, Randomness
from valetkey.sandbox.rules import Rules


class Refused(ValetkeyError):
    """A provider refuses an OAuth request. `error` is a code of RFC 6749 section 5.2."""

    def __init__(self, error: str, text: str, status: int = 400) -> None:
        self.error, self.text, self.status = error, text, status
        super().__init__(f"{error}: {text}")


class BadToken(ValetkeyError):
    """An API request without a usable access token. `reason`: missing, unknown, expired or revoked."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the access token is {reason}")


@dataclass(slots=True)
class Grant:
    """One person's consent: what everything that came of it hangs on.

    `until` is its end in epoch milliseconds, None where it has none; `reused` counts how often a spent
    refresh token of it came again.
    """

    id: str
    client: str
    account: str
    scopes: frozenset[str]
    offline: bool
    revoked: bool = False
    refreshes: int = 0
    reused: int = 0
    until: int | None = None

    def ended(self, now: int) -> bool:
        return self.revoked or (self.until is not None and self.until <= now)

    def as_json(self) -> Json:
        return {
            "id": self.id,
            "account": self.account,
            "client": self.client,
            "scopes": sorted(self.scopes),
            "offline": self.offline,
            "revoked": self.revoked,
            "refreshes": self.refreshes,
            "reused": self.reused,
        }


@dataclass(slots=True)
class Code:
    """An authorization code, good once and only where it was meant for."""

    grant: Grant
    redirect_uri: str
    challenge: str | None
    until: int
    used: bool = False


@dataclass(slots=True)
class Access:
    """An access token that was issued, with its end in epoch milliseconds, None where it has none."""

    grant: Grant
    scopes: frozenset[str]
    until: int | None

    @property
    def account(self) -> str:
        return self.grant.account

    def ended(self, now: int) -> bool:
        return self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer of a token endpoint. `lifetime` is in seconds, None: no end; `refresh` None where none is
    returned; `refresh_lasts` the seconds that are left of a consent with an end.
    """

    grant: Grant
    scopes: frozenset[str]
    access: str
    refresh: str | None
    lifetime: int | None
    refresh_lasts: int | None = None


@dataclass(slots=True)
class Refresh:
    """A refresh token; once spent it remembers when, and what it was exchanged for."""

    grant: Grant
    spent_at: int = 0
    answer: Issued | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """How a provider's codes and tokens begin, so that a leak of one is recognised."""

    code: str
    access: str
    refresh: str


class Ledger:
    """The books of one provider. Every method is one atomic step: none of them waits."""

    def __init__(self, clock: Clock, randomness: Randomness, rules: Rules, marks: Marks) -> None:
        self._clock, self._randomness, self._marks = clock, randomness, marks
        self.rules = rules
        self.grants: dict[str, Grant] = {}
        self._codes: dict[str, Code] = {}
        self._accesses: dict[str, Access] = {}
        self._refreshes: dict[str, Refresh] = {}

    def consent(
        self,
        client: str,
        account: str,
        scopes: frozenset[str],
        redirect_uri: str,
        challenge: str | None,
        *,
        offline: bool,
    ) -> str:
        """Record what a person allowed; return the code for it."""
        grant = Grant(self._secret("grant-"), client, account, scopes, offline)
        if self.rules.consent_lasts is not None:
            grant.until = self._clock.now() + self.rules.consent_lasts * SECOND
        self.grants[grant.id] = grant
        code = self._secret(self._marks.code)
        until = self._clock.now() + self.rules.code_lifetime * SECOND
        self._codes[code] = Code(grant, redirect_uri, challenge, until)
        return code

    def redeem(self, client: str, code: str, redirect_uri: str, verifier: str | None) -> Issued:
        """Exchange a code (RFC 6749 section 4.1.3). Raises Refused; a second use revokes the grant."""
        known = self._codes.get(code)
        if known is None or known.grant.client != client:
            raise Refused("invalid_grant", "the code is not known for this client")
        if known.used:
            known.grant.revoked = True  # RFC 6749 section 4.1.2: somebody else may have used it first
            raise Refused("invalid_grant", "the code was used before; its grant is revoked")
        if known.grant.revoked or known.until <= self._clock.now():
            raise Refused("invalid_grant", "the code has expired, or its grant was revoked")
        if known.redirect_uri != redirect_uri:
            raise Refused("invalid_grant", "redirect_uri is not the one the code was issued for")
        _check_verifier(known.challenge, verifier)
        known.used = True
        return self._issue(known.grant, known.grant.scopes, self._new_refresh(known.grant))

    def hand_out(self, secret: str, account: str) -> Grant:
        """Record a secret that a person has at a provider without OAuth: live until it is revoked."""
        grant = Grant(self._secret("grant-"), "", account, frozenset(), offline=False)
        self.grants[grant.id] = grant
        self._accesses[secret] = Access(grant, frozenset(), None)
        return grant

    def is_used(self, code: str) -> bool:
        """Whether this code was redeemed before."""
        return code in self._codes and self._codes[code].used

    def refresh(self, client: str, token: str, scopes: frozenset[str] | None = None) -> Issued:
        """Exchange a refresh token (RFC 6749 section 6), for `scopes` or all. Raises Refused."""
        known = self._refreshes.get(token)
        if known is None or known.grant.client != client:
            raise Refused("invalid_grant", "the refresh token is not known for this client")
        if known.grant.ended(self._clock.now()):
            raise Refused("invalid_grant", "the grant has been revoked, or its time is over")
        if known.answer is not None:
            return self._reused(known, known.answer)
        if scopes is not None and not scopes <= known.grant.scopes:
            raise Refused("invalid_scope", "more was asked for than was granted")
        return self._renewed(known, scopes or known.grant.scopes)

    def bearer(self, token: str) -> Access:
        """Return the live access token. Raises BadToken."""
        known = self._accesses.get(token)
        if known is None:
            raise BadToken("unknown" if token else "missing")
        if known.grant.ended(self._clock.now()):
            raise BadToken("revoked")
        if known.ended(self._clock.now()):
            raise BadToken("expired")
        return known

    def owner(self, token: str) -> str | None:
        """Return the account an access token was issued for, whether it still lives or not."""
        return self._accesses[token].account if token in self._accesses else None

    def revoke_token(self, token: str) -> Grant | None:
        """Revoke the grant an access or refresh token belongs to; None for a token without a live one."""
        known = self._accesses.get(token) or self._refreshes.get(token)
        if known is None or known.grant.revoked:
            return None
        known.grant.revoked = True
        return known.grant

    def expire(self, account: str | None = None) -> int:
        """End the access tokens of one account, or all, now; return how many were alive."""
        now = self._clock.now()
        alive = [access for access in self._accesses.values() if not access.ended(now)]
        chosen = [access for access in alive if account in (None, access.grant.account)]
        for access in chosen:
            access.until = now
        return len(chosen)

    def revoke(self, account: str | None = None, grant: str | None = None) -> int:
        """Revoke the live grants of one account, or one grant by its id, or all; return how many."""
        chosen = [
            known
            for known in self.grants.values()
            if account in (None, known.account) and grant in (None, known.id) and not known.revoked
        ]
        for known in chosen:
            known.revoked = True
        return len(chosen)

    def issued(self) -> frozenset[str]:
        """Return every code and token there is: what to search for where none of them may be."""
        return frozenset().union(self._codes, self._accesses, self._refreshes)

    def granted(self, client: str, account: str) -> frozenset[str]:
        """Return all scopes the account's live grants give this client together."""
        return frozenset().union(*(grant.scopes for grant in self._live(client, account)))

    def _live(self, client: str, account: str) -> Iterator[Grant]:
        for grant in self.grants.values():
            if (grant.client, grant.account, grant.revoked) == (client, account, False):
                yield grant

    def _renewed(self, spent: Refresh, scopes: frozenset[str]) -> Issued:
        spent.grant.refreshes += 1
        if self.rules.refresh_kills:
            self._end_accesses(spent.grant)
        if not self.rules.rotates:
            return self._issue(spent.grant, scopes, None)
        answer = self._issue(spent.grant, scopes, self._new_refresh(spent.grant))
        spent.spent_at, spent.answer = self._clock.now(), answer
        return answer

    def _end_accesses(self, grant: Grant) -> None:
        for access in self._accesses.values():
            if access.grant is grant:
                access.until = self._clock.now()

    def _reused(self, spent: Refresh, answer: Issued) -> Issued:
        """A rotated token came again: the same pair within the grace, else a thief's sign."""
        spent.grant.reused += 1
        if self._clock.now() - spent.spent_at < self.rules.reuse_grace * SECOND:
            return answer
        spent.grant.revoked = spent.grant.revoked or self.rules.reuse_kills
        raise Refused("invalid_grant", "the refresh token was used before")

    def _issue(self, grant: Grant, scopes: frozenset[str], refresh: str | None) -> Issued:
        access, lifetime = self._secret(self._marks.access), self.rules.lifetime
        now = self._clock.now()
        until = None if lifetime is None else now + lifetime * SECOND
        self._accesses[access] = Access(grant, scopes, until)
        left = None if grant.until is None else (grant.until - now) // SECOND
        return Issued(grant, scopes, access, refresh, lifetime, left)

    def _new_refresh(self, grant: Grant) -> str | None:
        if not grant.offline:
            return None
        token = self._secret(self._marks.refresh)
        self._refreshes[token] = Refresh(grant)
        self._drop_oldest(grant)
        return token

    def _drop_oldest(self, newest: Grant) -> None:
        """Keep at most `refresh_limit` live refresh tokens for this account and client."""
        if self.rules.refresh_limit is None:
            return
        owner = (newest.client, newest.account)
        live = [
            token
            for token, known in self._refreshes.items()
            if (known.grant.client, known.grant.account) == owner
            and not known.grant.revoked
            and not known.answer
        ]
        for token in live[: -self.rules.refresh_limit]:
            del self._refreshes[token]

    def _secret(self, mark: str) -> str:
        return mark + base64.urlsafe_b64encode(self._randomness(24)).decode()


VERIFIER_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 section 4.6, S256 only. A verifier without a challenge is a downgrade (RFC 9700 2.1.1)."""
    if challenge is None and verifier is None:
        return
    if challenge is None or verifier is None:
        raise Refused("invalid_grant", "code_verifier and code_challenge go together")
    if not (43 <= len(verifier) <= 128 and _only(verifier, VERIFIER_LETTERS)):
        raise Refused("invalid_grant", "code_verifier is not 43 to 128 unreserved characters")
    digest = hashlib.sha256(verifier.encode()).digest()
    if not secrets.compare_digest(base64.urlsafe_b64encode(digest).decode().rstrip("="), challenge):
        raise Refused("invalid_grant", "code_verifier does not match code_challenge")


def _only(text: str, letters: Iterable[str]) -> bool:
    return set(text) <= set(letters)
