"""What people have to be told, read off the audit: each event since the last look, and what nears its end.

Nobody who makes things happen has to think of notices: what is recorded is what can be told. The place in the
audit and what follows from it are written together, so nothing is told twice or left out when a process dies.
"""

import json
from collections.abc import Awaitable, Callable, Mapping

from valetkey.connections import Connections
from valetkey.model import DAY, MINUTE, Clock, ConnectionState, Json, Principal
from valetkey.notices.addresses import Addresses
from valetkey.notices.outbox import Outbox
from valetkey.store import Row, Store, Transaction

NEEDS_REAUTH, EXPIRING, THEFT = "connection.needs_reauth", "connection.expiring", "possible_token_theft"
ASKED, GUESSING, GIVEN_BACK = "request.made", "person.sign_in_slowed", "connection.given_back"
PASSWORD, PASSKEY = "password.changed", "passkey.added"
AHEAD = (14 * DAY, 3 * DAY)
"""How long before a hard end its person is told."""

_EVENTS = (NEEDS_REAUTH, THEFT, ASKED, GUESSING, GIVEN_BACK, PASSWORD, PASSKEY)
_MOST = 1_000
_SHORT = 10 * MINUTE
"""A request that waits no longer was made by an agent whose person is there."""

_Facts = Mapping[str, Json]
_Told = tuple[str, _Facts] | None
"""What tells one thing to be told from another, and the facts of it; None for nothing to tell."""


class Noticing:
    """Looks at what was recorded, and puts into the outbox what a person with an address has to be told."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        addresses: Addresses,
        connections: Connections,
        clock: Clock,
        *,
        carried: bool,
    ) -> None:
        self._store, self._outbox, self._addresses = store, outbox, addresses
        self._rows, self._clock, self._carried = connections.rows, clock, carried
        self._of: dict[str, Callable[[Transaction, Row, _Facts], Awaitable[_Told]]] = {
            NEEDS_REAUTH: self._connection,
            THEFT: self._connection,
            ASKED: self._request,
            GIVEN_BACK: self._given_back,
        }

    async def look(self) -> None:
        """Look at the events since the last time. Without a way to people it is only noted how far."""
        while await self._batch():
            pass
        if self._carried:
            for ahead in sorted(
                AHEAD
            ):  # the nearer end first: who is told of it need not be told of the other
                await self._look_ahead(ahead)

    async def _batch(self) -> bool:
        """Look at some of them; whether there may be more."""
        head = await self._store.one("SELECT COALESCE(MAX(seq), 0) AS seq FROM audit")
        seen = await self._store.one("SELECT seq FROM noticed")
        if head is None or seen is None or head["seq"] == seen["seq"]:
            return False
        rows = await self._store.all(_SINCE, seen["seq"], head["seq"], *_EVENTS) if self._carried else []
        up_to = rows[-1]["seq"] if len(rows) == _MOST else head["seq"]
        async with self._store.transaction() as tx:
            if not await tx.run("UPDATE noticed SET seq = $1 WHERE seq = $2", up_to, seen["seq"]):
                return False  # another process was quicker, and has told all this
            for row in rows:
                await self._tell(tx, row)
        return bool(up_to < head["seq"])

    async def _look_ahead(self, ahead: int) -> None:
        """What ends before so long, of people with an address who were not told so, or of a nearer end."""
        now, days = self._clock.now(), ahead // DAY
        rows = await self._store.all(_ENDING, now, now + ahead, EXPIRING, str(days))
        if not rows:
            return
        async with self._store.transaction() as tx:
            for row in rows:
                found = await self._rows.get(tx, row["id"])
                if found is not None:
                    kept = {
                        "connection": found.id,
                        "connector": found.connector,
                        "left": row["ends_at"] - now,
                    }
                    about = f"{found.id} {row['ends_at']} {days}"
                    await self._outbox.add(tx, EXPIRING, about, found.principal, kept)

    async def _tell(self, tx: Transaction, row: Row) -> None:
        if row["issuer"] is None:
            return
        principal, kind = Principal(row["issuer"], row["subject"]), row["kind"]
        if not await self._addresses.has(tx, principal):
            return
        facts = json.loads(row["core"])["facts"]
        found = await self._of.get(kind, self._plain)(tx, row, facts)
        if found is not None:
            about, kept = found
            await self._outbox.add(tx, kind, about, principal, kept)

    async def _connection(self, tx: Transaction, row: Row, facts: _Facts) -> _Told:
        """A connection that needs its person: told once for each time, by the event that says so."""
        found = await self._rows.get(tx, str(facts.get("connection")))
        if found is None or found.state is not ConnectionState.NEEDS_REAUTH:
            return None  # it was seen to already
        kept = {"connection": found.id, "connector": found.connector, "reason": found.reason}
        return f"{found.id} {row['seq']}", kept

    async def _request(self, tx: Transaction, _: Row, facts: _Facts) -> _Told:
        """What an agent asks of somebody who may be away: told once, however often it asks for the same.

        That a connection has ended they are told already, whatever agent came upon it.
        """
        request = await tx.one(_REQUEST, str(facts.get("request")), self._clock.now(), _SHORT)
        if request is None:
            return None
        kept = {"request": request["id"], "agent": request["name"] or request["actor"]}
        return f"{request['actor']} {request['need']}", kept

    async def _given_back(self, tx: Transaction, row: Row, facts: _Facts) -> _Told:
        """An ended connection whose provider never confirmed: its person alone can remove it there."""
        found = await self._rows.get(tx, str(facts.get("connection")))
        if found is None or facts.get("at_provider") != "failed":
            return None
        return f"{found.id} {row['seq']}", {"connector": found.connector}

    async def _plain(self, _: Transaction, row: Row, __: _Facts) -> _Told:
        return str(row["id"]), {}


_SINCE = f"""
SELECT seq, id, kind, issuer, subject, core FROM audit WHERE seq > $1 AND seq <= $2
  AND kind IN ({", ".join(f"${n}" for n in range(3, len(_EVENTS) + 3))}) ORDER BY seq LIMIT {_MOST}"""  # noqa: S608 - placeholders
_ENDING = """
SELECT c.id, t.ends_at FROM token_sets t JOIN connections c ON c.token_set = t.id
  JOIN addresses a ON a.issuer = c.issuer AND a.subject = c.subject AND a.proved = 1
WHERE t.ends_at > $1 AND t.ends_at <= $2 AND t.dead IS NULL AND c.state = 'connected' AND NOT EXISTS (
  SELECT 1 FROM notices n WHERE n.kind = $3 AND n.about IN (
    c.id || ' ' || t.ends_at || ' ' || $4, c.id || ' ' || t.ends_at || ' 3'))"""
_REQUEST = """
SELECT r.id, r.actor, r.need, a.name FROM access_requests r LEFT JOIN agents a ON a.id = r.actor
WHERE r.id = $1 AND r.state = 'open' AND r.until > $2 AND r.outcome <> 'reconnect'
  AND (r.offline = 1 OR r.until - r.created > $3)"""
