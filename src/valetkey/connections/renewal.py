"""What the holder of a lease does: spend the refresh token, and make what comes of it durable.

`verdict` says what a refusal means; nothing here decides when a refresh is due.
"""

from dataclasses import dataclass, replace

from valetkey.audit import Audit
from valetkey.connections.answer import Answer
from valetkey.connections.endpoint import HARD_SECONDS, TokenEndpoint, oauth2
from valetkey.connections.registrations import Registrations
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import Held, TokenSets
from valetkey.connections.verdict import Verdict, backoff, classify
from valetkey.errors import CallError, EgressAnswerLost, EgressError, EgressUnreachable, OAuthRefused
from valetkey.manifest import Connector
from valetkey.model import (
    SECOND,
    AuditEvent,
    Clock,
    ConnectionState,
    Outcome,
    Randomness,
    Registration,
    TokenSet,
)
from valetkey.store import Store, Transaction

Refusal = OAuthRefused | EgressError


@dataclass(frozen=True, slots=True)
class Lease:
    """Since when a holder has it, for how long, and whether an earlier answer was lost on the way."""

    taken: int
    lasts: int
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
        audit: Audit,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store, self._sets, self._rows, self._registrations = store, sets, rows, registrations
        self._endpoint, self._audit, self._clock, self._randomness = endpoint, audit, clock, randomness

    async def spend(self, held: Held, connector: Connector, lease: Lease, *, useless: bool) -> Held:
        """Spend the refresh token once; once more, the same one, when the answer was lost.

        `useless` says that the access token at hand cannot serve meanwhile. Raises CallError.
        """
        client = await self._registrations.get(self._store, held.tokens.registration)
        error: Refusal
        for _ in range(2):  # after a lost answer there is nothing left to lose
            sent = self._clock.now()
            try:
                return await self._saved(
                    held, connector, await self._ask(held, connector, client, lease), sent
                )
            except EgressAnswerLost as lost:
                lease, error = replace(lease, lost=True), lost
            except (OAuthRefused, EgressError) as refusal:
                error = refusal
                break
        return await self._refused(held, connector, lease, error, useless=useless)

    async def died(self, held: Held, reason: str) -> None:
        """Write that a token set can be used no more; its connections wait for their person."""
        async with self._store.transaction() as tx:
            await tx.run(_DIED, reason, held.id)
            for connection in await self._rows.sharing(tx, held.id):
                if connection.state is ConnectionState.CONNECTED:
                    state = ConnectionState.NEEDS_REAUTH
                    await self._rows.to(tx, connection, state, by="system", reason=reason)

    def as_it_is(self, held: Held, connector: Connector, *, useless: bool) -> Held:
        """A token that lives serves on while the token endpoint does not. Raises CallError otherwise."""
        if not useless:
            return held
        text = f"{connector.title}'s provider cannot renew this connection right now. Try again in a minute."
        raise CallError(Outcome.UNAVAILABLE, text, retry_after=60)

    async def _ask(self, held: Held, connector: Connector, client: Registration, lease: Lease) -> Answer:
        if self._clock.now() - lease.taken > lease.lasts - HARD_SECONDS * SECOND:
            raise EgressUnreachable("this process was held up for too long to refresh within its lease")
        if held.tokens.refresh is None:
            raise AssertionError("a lease is taken only for a set with a refresh token")
        return await self._endpoint.refresh(connector, client, held.tokens.refresh)

    async def _saved(self, held: Held, connector: Connector, answer: Answer, sent: int) -> Held:
        """Make the new tokens durable before anyone uses them.

        Guarded by the version and not by the lease: a late answer may hold the only live token.
        """
        old = held.tokens
        tokens = replace(
            old,
            access=answer.access,
            refresh=answer.refresh or old.refresh,
            issued_at=sent,
            expires_at=None if answer.lasts is None else sent + answer.lasts,
            scopes=old.scopes if answer.scopes is None else answer.scopes,
        )
        async with self._store.transaction() as tx:
            now = await self._sets.read(tx, held.id, connector, overridden=old.overridden)
            if now.version == held.version:
                await self._store_new(tx, held.id, tokens)
            return await self._sets.read(tx, held.id, connector, overridden=old.overridden)

    async def _store_new(self, tx: Transaction, key: str, tokens: TokenSet) -> None:
        receipt = await self._sets.put(tx, key, tokens)
        for connection in await self._rows.sharing(tx, key):
            await self._rows.replace_tokens(tx, connection.id, key, tokens.scopes)
            facts = {"connection": connection.id, **receipt.facts()}
            event = AuditEvent("tokens.refreshed", "system", connection.principal, None, facts)
            await self._audit.append(tx, event)

    async def _refused(
        self, held: Held, connector: Connector, lease: Lease, error: Refusal, *, useless: bool
    ) -> Held:
        verdict = classify(oauth2(connector).refresh.dead, error, held.row, self._clock.now())
        if verdict is Verdict.DEAD:
            return await self._dead(held, connector, "refresh_answer_lost" if lease.lost else _code(error))
        await self._later(held, lease, error, verdict)
        return self.as_it_is(held, connector, useless=useless)

    async def _dead(self, held: Held, connector: Connector, reason: str) -> Held:
        overridden = held.tokens.overridden
        newer = await self._sets.read(self._store, held.id, connector, overridden=overridden)
        if newer.version != held.version:
            return newer  # another process spent the same token first; what it got is good
        await self.died(held, reason)
        raise reconnect(connector)

    async def _later(self, held: Held, lease: Lease, error: Refusal, verdict: Verdict) -> None:
        now, failures = self._clock.now(), held.row["failures"] + 1
        retry_at = now + backoff(failures, getattr(error, "retry_after", None), self._randomness)
        intent = held.row["intent"] if lease.lost else None  # a lost answer is remembered until it is settled
        async with self._store.transaction() as tx:
            await tx.run(_LATER, retry_at, failures, held.row["since"] or now, intent, held.id)
            if verdict is Verdict.OPERATOR:
                facts = {"registration": held.tokens.registration, "error": _code(error)}
                await self._audit.append(tx, AuditEvent("registration.refused", "system", None, None, facts))


def reconnect(connector: Connector) -> CallError:
    """The end of a token set, as its caller is told."""
    text = f"The access to {connector.title} has ended; its person has to reconnect."
    return CallError(Outcome.RECONNECT, text)


def _code(error: Refusal) -> str:
    return error.error if isinstance(error, OAuthRefused) else "no_answer"


_DIED = """
UPDATE token_sets SET dead = $1, lease_owner = NULL, lease_until = NULL, intent = NULL WHERE id = $2"""
_LATER = """
UPDATE token_sets SET retry_at = $1, failures = $2, since = $3, intent = $4,
  lease_owner = NULL, lease_until = NULL WHERE id = $5"""
