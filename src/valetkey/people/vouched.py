"""Whom other issuers vouch for: a row for each of their people and clients, made when first seen.

A name is for showing alone: nobody is ever found, or taken for somebody else, by one.
"""

from valetkey.manifest.clean import clean
from valetkey.model import Clock, Principal
from valetkey.people.agents import Agents, Kind
from valetkey.store import Store

_LONGEST_NAME = 80


class Vouched:
    """Keeps the rows."""

    def __init__(self, store: Store, agents: Agents, clock: Clock) -> None:
        self._store, self._agents, self._clock = store, agents, clock

    async def met(self, principal: Principal, name: str | None) -> None:
        """Remember a person who came themselves, under the name they have now."""
        shown = shown_name(principal, name)
        async with self._store.transaction() as tx:
            await tx.run(_PERSON, principal.issuer, principal.subject, shown, self._clock.now())
            if name:
                sql = "UPDATE people SET name = $1 WHERE issuer = $2 AND subject = $3"
                await tx.run(sql, shown, principal.issuer, principal.subject)

    async def seen(self, principal: Principal, name: str | None, actor: str, client: str) -> None:
        """Remember the person and the client of a token, where this is the first one of theirs."""
        row = await self._store.one(_KNOWN, principal.issuer, principal.subject, actor)
        if row and row["person"] and row["agent"]:
            return
        async with self._store.transaction() as tx:
            shown, now = shown_name(principal, name), self._clock.now()
            await tx.run(_PERSON, principal.issuer, principal.subject, shown, now)
            if await self._agents.get(tx, actor) is None:
                await self._agents.add(tx, actor, _clean(client) or actor, Kind.FOREIGN)


def shown_name(principal: Principal, name: str | None) -> str:
    """What to call somebody: on one line, without anything invisible, and never empty."""
    return _clean(name or "") or f"somebody at {principal.issuer}"


def _clean(text: str) -> str:
    return " ".join(str(clean(text)).split())[:_LONGEST_NAME]


_PERSON = """
INSERT INTO people (issuer, subject, name, password, owner, created) VALUES ($1, $2, $3, NULL, 0, $4)
ON CONFLICT (issuer, subject) DO NOTHING"""
_KNOWN = """
SELECT (SELECT 1 FROM people WHERE issuer = $1 AND subject = $2) AS person,
       (SELECT 1 FROM agents WHERE id = $3) AS agent"""
