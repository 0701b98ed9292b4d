"""The right to spend a refresh token: one holder at a time on all machines, by a row of the store."""

from dataclasses import dataclass

from valetkey.connections.endpoint import HARD_SECONDS
from valetkey.connections.tokensets import Held
from valetkey.manifest.schema_auth import Refresh
from valetkey.model import SECOND, Clock
from valetkey.store import Store

LEASE = 30 * SECOND
"""How long one holder may refresh. Longer than any request can take, or two would spend one token."""

_MARGIN = 5 * SECOND

if HARD_SECONDS * SECOND + _MARGIN >= LEASE:
    raise AssertionError("a refresh could outlive its lease")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has it, until when, until when its holder may begin a request; and whether the answer to this very
    token was lost on the way before.
    """

    owner: str
    until: int
    begin_until: int
    lost: bool


async def take(store: Store, clock: Clock, owner: str, held: Held, refresh: Refresh) -> Lease | None:
    """Take the lease and write what is about to be spent, before it is; None: another has it."""
    now, intent, lasts = clock.now(), str(held.version), lasting(refresh)
    async with store.transaction() as tx:
        if (held.row["lease_until"] or 0) > now + LEASE:
            await tx.run(_SHORTENED, now + LEASE, held.id)
        before = await tx.one("SELECT intent FROM token_sets WHERE id = $1", held.id)
        row = await tx.one(_TAKEN, owner, now + lasts, intent, held.id, now, held.version)
    if row is None:
        return None
    spent = before is not None and before["intent"] == intent  # by a holder that never told the end
    begin_until = now + (lasts - HARD_SECONDS * SECOND if lasts == LEASE else lasts)
    return Lease(owner, now + lasts, begin_until, loses(refresh) and spent)


async def let_go(store: Store, held: Held, lease: Lease) -> None:
    """Give back a lease under which nothing was sent, unless somebody else has it by now."""
    intent = str(held.version) if lease.lost else None  # an answer that was lost before stays lost
    async with store.transaction() as tx:
        await tx.run(_LET_GO, intent, held.id, lease.owner, lease.until)


def lasting(refresh: Refresh) -> int:
    """How long a lease is.

    Where a second use gets the answer of the first for a while, whoever comes after a dead holder has to come
    within it; and two holders at once do no harm there.
    """
    return LEASE if refresh.grace is None else min(LEASE, max(refresh.grace // 2, SECOND))


def loses(refresh: Refresh) -> bool:
    """Whether an answer that is lost can take the only live refresh token with it."""
    return refresh.reuse != "retry_safe"


# A lease that lasts longer than any was written by a clock that has been set back since. Its holder may be at
# work: it gets the rest of what it can need, and not one moment of the past.
_SHORTENED = "UPDATE token_sets SET lease_until = $1 WHERE id = $2 AND lease_until > $1"
_LET_GO = """
UPDATE token_sets SET lease_owner = NULL, lease_until = NULL, intent = $1
WHERE id = $2 AND lease_owner = $3 AND lease_until = $4"""
_TAKEN = """
UPDATE token_sets SET lease_owner = $1, lease_until = $2, intent = $3
WHERE id = $4 AND dead IS NULL AND (lease_until IS NULL OR lease_until < $5)
  AND EXISTS (SELECT 1 FROM sealed WHERE purpose = 'token' AND id = $4 AND version = $6)
RETURNING id"""
