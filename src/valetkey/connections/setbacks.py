"""What a renewal that brought no tokens leaves behind: as little as the answer allows.

`verdict` says what the answer means; this is what becomes of the row and of its connections.
"""

from collections.abc import Callable, Sequence

from valetkey.audit import Audit
from valetkey.connections.circuit import Circuits
from valetkey.connections.lease import Lease
from valetkey.connections.registrations import Registrations
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import Held
from valetkey.connections.verdict import Failures, Verdict, backoff
from valetkey.errors import CallError, EgressError, OAuthRefused
from valetkey.manifest import Connector
from valetkey.model import (
    SECOND,
    AuditEvent,
    Clock,
    Connection,
    ConnectionState,
    Outcome,
    Randomness,
)
from valetkey.store import Store, Transaction

Refusal = OAuthRefused | EgressError


class Setbacks:
    """Writes what a failed renewal means for a token set and its connections."""

    def __init__(
        self,
        store: Store,
        rows: Rows,
        registrations: Registrations,
        circuits: Circuits,
        audit: Audit,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._store, self._rows, self._registrations = store, rows, registrations
        self._circuits, self._audit = circuits, audit
        self._clock, self._randomness = clock, randomness
        self.seen: Callable[[frozenset[str], str], object] = _unseen
        """Told of each renewal that brought nothing: for which connectors, and the verdict."""

    async def died(
        self, held: Held, reason: str, lease: Lease | None = None, *, stolen: bool = False
    ) -> bool:
        """Write that a token set can be used no more; its connections wait for their person.

        `stolen`: it looks as if somebody else had used its tokens, and the audit says so. False, and nothing
        is written, when another holder has the lease by now or had better luck.
        """
        mine = (lease.owner, lease.until) if lease else ("", 0)
        async with self._store.transaction() as tx:
            if not await tx.run(_DIED, reason, self._clock.now(), held.id, *mine, held.version):
                return False
            await self._end(tx, await self._rows.sharing(tx, held.id), reason, stolen=stolen)
        return True

    async def _end(
        self, tx: Transaction, connections: Sequence[Connection], reason: str, *, stolen: bool
    ) -> None:
        for connection in connections:
            if connection.state is not ConnectionState.CONNECTED:
                continue
            await self._rows.to(tx, connection, ConnectionState.NEEDS_REAUTH, by="system", reason=reason)
            if stolen:
                facts = {"connection": connection.id, "connector": connection.connector}
                event = AuditEvent("possible_token_theft", "system", connection.principal, None, facts)
                await self._audit.append(tx, event)

    async def later(self, held: Held, lease: Lease, error: Refusal, verdict: Verdict) -> int | None:
        """Let go of the lease; return how long to wait, or None when it was no longer ours."""
        self.seen(held.tokens.connectors, verdict)
        now, retry_after = self._clock.now(), getattr(error, "retry_after", None)
        failures = Failures.with_one_more(held.row, verdict, now)
        wait = backoff(failures.count, retry_after, self._randomness)
        intent = str(held.version) if lease.lost else None  # a lost answer is remembered until it is settled
        values = (now + wait, failures.count, failures.since, now, intent, held.id, lease.owner, lease.until)
        async with self._store.transaction() as tx:
            await self._tell(tx, registration(held), error, verdict)
            return wait if await tx.run(_LATER, *values) else None

    async def _tell(self, tx: Transaction, name: str, error: Refusal, verdict: Verdict) -> None:
        """Let everybody's next renewal know; a registration that is not taken is in the audit, once."""
        retry_after = getattr(error, "retry_after", None)
        if verdict is Verdict.SUSPICIOUS:
            self._circuits.answered(name)
        elif verdict is Verdict.TRANSIENT:
            self._circuits.failed(name, retry_after)
        elif self._circuits.refused(name, retry_after):
            await self._registrations.refused(tx, name, code(error))

    async def damaged(self, key: str) -> None:
        """Record that a token set was found changed, moved or gone; what is left of it is not touched."""
        for connection in await self._rows.sharing(self._store, key):
            facts = {"connection": connection.id, "purpose": "token", "record": key}
            await self._audit.note(AuditEvent("integrity", "system", connection.principal, None, facts))


def _unseen(_: frozenset[str], __: str) -> None:
    """Nobody counts."""


def as_it_is(held: Held, connector: Connector, *, wait: int, useless: bool) -> Held:
    """A token that lives serves on while the token endpoint does not. Raises CallError otherwise.

    `wait` is in milliseconds: when it will be tried again.
    """
    if not useless:
        return held
    seconds = max(1, -(-wait // SECOND))
    text = f"{connector.title}'s provider cannot renew this connection now. Try again in {seconds} seconds."
    raise CallError(Outcome.UNAVAILABLE, text, retry_after=seconds)


def reconnect(connector: Connector) -> CallError:
    """The end of a token set, as its caller is told."""
    text = f"The access to {connector.title} has ended; its person has to reconnect."
    return CallError(Outcome.RECONNECT, text)


def registration(held: Held) -> str:
    """What is refreshed came of a registration: a pasted secret has no refresh token."""
    return held.tokens.registration or ""


def code(error: Refusal) -> str:
    """How the audit names a refusal."""
    return error.error if isinstance(error, OAuthRefused) else "no_answer"


_DIED = """
UPDATE token_sets SET dead = $1, died_at = $2, failing = NULL,
  lease_owner = NULL, lease_until = NULL, intent = NULL
WHERE id = $3 AND (lease_owner IS NULL OR (lease_owner = $4 AND lease_until = $5))
  AND EXISTS (SELECT 1 FROM sealed WHERE purpose = 'token' AND id = $3 AND version = $6)"""
_LATER = """
UPDATE token_sets SET retry_at = $1, failures = $2, since = $3, failing = COALESCE(failing, $4), intent = $5,
  lease_owner = NULL, lease_until = NULL
WHERE id = $6 AND lease_owner = $7 AND lease_until = $8"""
