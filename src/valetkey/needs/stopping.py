"""Stopping an agent for one person: what it may do for them ends, with its sign-ins and its questions."""

from collections.abc import Collection

from valetkey.audit import Audit
from valetkey.grants import Grants
from valetkey.model import Actor, AuditEvent, Principal
from valetkey.needs.requests import Requests
from valetkey.people import Sessions
from valetkey.store import Store


class Stopping:
    """Ends everything between a person and some actors at once. For others these go on."""

    def __init__(
        self, store: Store, audit: Audit, grants: Grants, sessions: Sessions, requests: Requests
    ) -> None:
        self._store, self._audit, self._grants = store, audit, grants
        self._sessions, self._requests = sessions, requests

    async def stop(self, principal: Principal, actors: Collection[str]) -> None:
        """End grants, sessions and open requests; the connections stay, and other actors keep theirs."""
        async with self._store.transaction() as tx:
            asked = [one for one in await self._requests.open_for(tx, principal) if one.actor in actors]
            grants = await self._grants.revoke_all(tx, principal, actors)
            sessions = [one for one in await self._sessions.of(tx, principal) if one.actor in actors]
            for session in sessions:
                await self._sessions.end(tx, session.id)
            for request in asked:
                await self._requests.settle(tx, request, "declined")
            facts = {"grants": [one.id for one in grants], "sessions": [one.id for one in sessions]}
            stopped = (AuditEvent("agent.stopped", "person", principal, Actor(one), facts) for one in actors)
            await self._audit.append(tx, *stopped)
        for request in asked:
            self._requests.announce(request)
