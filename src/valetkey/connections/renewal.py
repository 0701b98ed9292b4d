"""What the holder of a lease does: spend the refresh token, and make what comes of it durable.

`verdict` says what a refusal means; nothing here decides when a refresh is due.
"""

from dataclasses import dataclass, replace

from valetkey.audit import Audit
from valetkey.connections.answer import Answer
from valetkey.connections.endpoint import HARD_SECONDS, TokenEndpoint, oauth2
from valetkey.connections.registrations import Registrations
from valetkey.connections.revoke import REVOKED, Revocation
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import Forgotten, Held, TokenSets
from valetkey.connections.verdict import Failures, Verdict, backoff, classify
from valetkey.errors import (
    CallError,
    EgressAnswerLost,
    EgressBadAnswer,
    EgressError,
    EgressUnreachable,
    IntegrityError,
    OAuthRefused,
    UsageError,
)
from valetkey.manifest import Connector
from valetkey.model import (
    SECOND,
    AuditEvent,
    Clock,
    ConnectionState,
    Outcome,
    Randomness,
    TokenSet,
)
from valetkey.store import Store, Transaction

Refusal = OAuthRefused | EgressError


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has it, until when, and whether the answer to this very token was lost on the way before."""

    owner: str
    until: int
    lost: bool


class Renewal:
    """Spends refresh tokens."""

    def __init__(
        self,
        store: Store,
        sets: TokenSets,
        rows: Rows,
        registrations: Registrations,
        endpoint: TokenEndpoint,
        revocation: Revocation,
        audit: Audit,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store, self._sets, self._rows, self._registrations = store, sets, rows, registrations
        self._endpoint, self._revocation, self._audit = endpoint, revocation, audit
        self._clock, self._randomness = clock, randomness
        self._shut: dict[str, int] = {}  # registrations the provider does not know, and until when none asks

    async def spend(self, held: Held, connector: Connector, lease: Lease, *, useless: bool) -> Held | None:
        """Spend the refresh token once; once more, the same one, when no usable answer came.

        `useless` says that the access token at hand cannot serve meanwhile. None: the lease went to
        somebody else, so look again. Raises CallError.
        """
        error: Refusal
        for _ in range(2):  # after a lost answer there is nothing left to lose
            sent = self._clock.now()
            try:
                answer = await self._ask(held, connector, lease)
            except (EgressAnswerLost, EgressBadAnswer) as lost:
                lease, error = replace(lease, lost=True), lost
            except (OAuthRefused, EgressError) as refusal:
                error = refusal
                break
            else:
                return await self._saved(held, connector, answer, sent)
        return await self._refused(held, connector, lease, error, useless=useless)

    async def died(self, held: Held, reason: str, lease: Lease | None = None) -> bool:
        """Write that a token set can be used no more; its connections wait for their person.

        False, and nothing is written, when another holder has the lease by now or had better luck.
        """
        mine = (lease.owner, lease.until) if lease else ("", 0)
        async with self._store.transaction() as tx:
            if not await tx.run(_DIED, reason, held.id, *mine, held.version):
                return False
            for connection in await self._rows.sharing(tx, held.id):
                if connection.state is ConnectionState.CONNECTED:
                    state = ConnectionState.NEEDS_REAUTH
                    await self._rows.to(tx, connection, state, by="system", reason=reason)
        return True

    async def damaged(self, key: str) -> None:
        """Record that a token set was found changed, moved or gone; what is left of it is not touched."""
        for connection in await self._rows.sharing(self._store, key):
            facts = {"connection": connection.id, "purpose": "token", "record": key}
            await self._audit.note(AuditEvent("integrity", "system", connection.principal, None, facts))

    def as_it_is(self, held: Held, connector: Connector, *, wait: int, useless: bool) -> Held:
        """A token that lives serves on while the token endpoint does not. Raises CallError otherwise.

        `wait` is in milliseconds: when it will be tried again.
        """
        if not useless:
            return held
        seconds = max(1, -(-wait // SECOND))
        text = (
            f"{connector.title}'s provider cannot renew this connection now. Try again in {seconds} seconds."
        )
        raise CallError(Outcome.UNAVAILABLE, text, retry_after=seconds)

    async def _ask(self, held: Held, connector: Connector, lease: Lease) -> Answer:
        name, now = _registration(held), self._clock.now()
        if now > lease.until - HARD_SECONDS * SECOND:
            raise EgressUnreachable("this process was held up for too long to refresh within its lease")
        if now < self._shut.get(name, 0):
            raise EgressUnreachable("the provider did not know the registration a moment ago")
        if held.tokens.refresh is None:
            raise AssertionError("a lease is taken only for a set with a refresh token")
        try:
            client = await self._registrations.of(self._store, name, connector)
        except (UsageError, IntegrityError):  # ours to mend, as if the provider had said so
            raise OAuthRefused("invalid_client", 0) from None
        return await self._endpoint.refresh(connector, client, held.tokens.refresh)

    async def _saved(self, held: Held, connector: Connector, answer: Answer, sent: int) -> Held:
        """Make the new tokens durable before anyone uses them.

        Guarded by the version and not by the lease: a late answer may hold the only live token. Raises
        Forgotten when the connection was ended or renewed meanwhile.
        """
        tokens, overridden = _renewed(held.tokens, answer, sent), held.tokens.overridden
        try:
            async with self._store.transaction() as tx:
                now = await self._sets.read(tx, held.id, held.owner, connector, overridden=overridden)
                if now.version == held.version:
                    await self._store_new(tx, held, tokens)
                return await self._sets.read(tx, held.id, held.owner, connector, overridden=overridden)
        except Forgotten as forgotten:
            if forgotten.reason == REVOKED:
                await self._give_back(held.id, tokens)
            raise

    async def _store_new(self, tx: Transaction, held: Held, tokens: TokenSet) -> None:
        receipt = await self._sets.put(tx, held.id, held.owner, tokens)
        for connection in await self._rows.sharing(tx, held.id):
            await self._rows.replace_tokens(tx, connection.id, held.id, tokens.scopes)
            facts = {"connection": connection.id, **receipt.facts()}
            event = AuditEvent("tokens.refreshed", "system", connection.principal, None, facts)
            await self._audit.append(tx, event)
            if connection.state is ConnectionState.NEEDS_REAUTH:  # a later holder had given up too early
                await self._rows.to(
                    tx, connection, ConnectionState.CONNECTED, by="system", reason="late_answer"
                )

    async def _give_back(self, key: str, tokens: TokenSet) -> None:
        """Its person ended the connection while it was being renewed: what the provider issued ends, too."""
        for connection in await self._rows.ended(self._store, key):
            await self._revocation.give_back(connection, tokens)

    async def _refused(
        self, held: Held, connector: Connector, lease: Lease, error: Refusal, *, useless: bool
    ) -> Held | None:
        verdict = classify(oauth2(connector).refresh.dead, error, held.row, self._clock.now())
        if verdict is Verdict.DEAD:
            reason = "refresh_answer_lost" if lease.lost else _code(error)
            if await self.died(held, reason, lease):
                raise reconnect(connector)
            return None
        wait = await self._later(held, lease, error, verdict)
        return None if wait is None else self.as_it_is(held, connector, wait=wait, useless=useless)

    async def _later(self, held: Held, lease: Lease, error: Refusal, verdict: Verdict) -> int | None:
        """Let go of the lease; return how long to wait, or None when it was no longer ours."""
        now = self._clock.now()
        failures = Failures.with_one_more(held.row, verdict, now)
        wait = backoff(failures.count, getattr(error, "retry_after", None), self._randomness)
        intent = str(held.version) if lease.lost else None  # a lost answer is remembered until it is settled
        values = (now + wait, failures.count, failures.since, intent, held.id, lease.owner, lease.until)
        async with self._store.transaction() as tx:
            if verdict is Verdict.OPERATOR:
                await self._shut_out(tx, _registration(held), error, now + wait)
            return wait if await tx.run(_LATER, *values) else None

    async def _shut_out(self, tx: Transaction, registration: str, error: Refusal, until: int) -> None:
        """A registration that is refused is refused for everybody: one tries again, and one event says so."""
        self._shut[registration] = until
        await self._registrations.refused(tx, registration, _code(error))


def reconnect(connector: Connector) -> CallError:
    """The end of a token set, as its caller is told."""
    text = f"The access to {connector.title} has ended; its person has to reconnect."
    return CallError(Outcome.RECONNECT, text)


def _renewed(old: TokenSet, answer: Answer, sent: int) -> TokenSet:
    """The token set after a good answer: what it does not say stays as it was (RFC 6749 section 6)."""
    return replace(
        old,
        access=answer.access,
        refresh=answer.refresh or old.refresh,
        issued_at=sent,
        expires_at=None if answer.lasts is None else sent + answer.lasts,
        scopes=old.scopes if answer.scopes is None else answer.scopes,
    )


def _registration(held: Held) -> str:
    """What is refreshed came of a registration: a pasted secret has no refresh token."""
    return held.tokens.registration or ""


def _code(error: Refusal) -> str:
    return error.error if isinstance(error, OAuthRefused) else "no_answer"


_DIED = """
UPDATE token_sets SET dead = $1, lease_owner = NULL, lease_until = NULL, intent = NULL
WHERE id = $2 AND (lease_owner IS NULL OR (lease_owner = $3 AND lease_until = $4))
  AND EXISTS (SELECT 1 FROM sealed WHERE purpose = 'token' AND id = $2 AND version = $5)"""
_LATER = """
UPDATE token_sets SET retry_at = $1, failures = $2, since = $3, intent = $4,
  lease_owner = NULL, lease_until = NULL
WHERE id = $5 AND lease_owner = $6 AND lease_until = $7"""
