"""Whom other issuers vouch for: a row for each of their people and clients, made when first seen.

A name is for showing alone: nobody is ever found, or taken for somebody else, by one.
"""

from valetkey.manifest.clean import clean
from valetkey.model import Clock, Principal
from valetkey.people.accounts import PEOPLE
from valetkey.people.agents import Agents, Kind
from valetkey.store import Store, Transaction
from valetkey.vault import KeyRing
from valetkey.vault.rows import BoundRows

_LONGEST_NAME = 80


class Vouched:
    """Keeps the rows."""

    def __init__(self, store: Store, keys: KeyRing, agents: Agents, clock: Clock) -> None:
        self._store, self._agents, self._clock = store, agents, clock
        self._people = BoundRows(keys, PEOPLE)

    async def met(self, principal: Principal, name: str | None) -> None:
        """Remember a person who came themselves, under the name they have now."""
        shown = shown_name(principal, name)
        async with self._store.transaction() as tx:
            if await self._added(tx, principal, shown) or not name:
                return
            await self._people.change(tx, principal.issuer, principal.subject, name=shown)

    async def seen(self, principal: Principal, name: str | None, actor: str, client: str) -> None:
        """Remember the person and the client of a token, where this is the first one of theirs."""
        row = await self._store.one(_KNOWN, principal.issuer, principal.subject, actor)
        if row and row["person"] and row["agent"]:
            return
        async with self._store.transaction() as tx:
            await self._added(tx, principal, shown_name(principal, name))
            if await self._agents.get(tx, actor) is None:
                await self._agents.add(tx, actor, _clean(client) or actor, Kind.FOREIGN)

    async def _added(self, tx: Transaction, principal: Principal, shown: str) -> bool:
        """Add a person who is not there; whether they were not."""
        if await tx.one(_THERE, principal.issuer, principal.subject):
            return False
        who = {"issuer": principal.issuer, "subject": principal.subject, "name": shown}
        await self._people.insert(tx, **who, owner=0, created=self._clock.now())
        return True


def shown_name(principal: Principal, name: str | None) -> str:
    """What to call somebody: on one line, without anything invisible, and never empty."""
    return _clean(name or "") or f"somebody at {principal.issuer}"


def _clean(text: str) -> str:
    return " ".join(str(clean(text)).split())[:_LONGEST_NAME]


_THERE = "SELECT 1 FROM people WHERE issuer = $1 AND subject = $2"
_KNOWN = """
SELECT (SELECT 1 FROM people WHERE issuer = $1 AND subject = $2) AS person,
       (SELECT 1 FROM agents WHERE id = $3) AS agent"""
