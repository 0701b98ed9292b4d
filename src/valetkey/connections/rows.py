"""The rows of connections: finding them, and the few steps from one state to another.

pending -> confirming -> connected <-> needs_reauth, and any of them -> revoked. A row that was changed by
anybody else than this room reads as if it were not there.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.model import AuditEvent, Clock, Connection, ConnectionState, Json, Principal
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import Purpose, Vault
from valetkey.vault.rows import BoundRows, Table

ACCOUNT = "account"
_LIVE = (ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH)

EDGES = {
    ConnectionState.PENDING: {ConnectionState.CONFIRMING, ConnectionState.REVOKED},
    ConnectionState.CONFIRMING: {ConnectionState.CONNECTED, ConnectionState.REVOKED},
    # to itself: its person has connected the same account anew
    ConnectionState.CONNECTED: set(ConnectionState) - {ConnectionState.PENDING, ConnectionState.CONFIRMING},
    ConnectionState.NEEDS_REAUTH: {ConnectionState.CONNECTED, ConnectionState.REVOKED},
    ConnectionState.REVOKED: set[ConnectionState](),
}
"""Every step from one state to another that there is."""


class Rows:
    """Reads and changes connections; every change says so in the audit, in the same transaction."""

    def __init__(self, store: Store, vault: Vault, audit: Audit, clock: Clock) -> None:
        self.store, self._vault, self._audit, self._clock = store, vault, audit, clock
        self._bound = BoundRows(vault.keys, TABLE)

    async def get(self, db: Reads, connection_id: str) -> Connection | None:
        row = self._bound.good(await db.one(f"{_SELECT} WHERE id = $1", connection_id))
        return _connection(row) if row else None

    async def live(self, db: Reads, principal: Principal, connector: str) -> list[Connection]:
        """Return a principal's connections to a connector that work or could again, oldest first."""
        mine = f"{_SELECT} WHERE issuer = $1 AND subject = $2"
        sql = f"{mine} AND connector = $3 AND state IN ($4, $5) ORDER BY id"
        rows = await db.few(sql, principal.issuer, principal.subject, connector, *_LIVE)
        return self._connections(rows)

    async def in_state(self, principal: Principal, state: ConnectionState) -> list[Connection]:
        """Return a principal's connections in one state, newest first."""
        sql = f"{_SELECT} WHERE issuer = $1 AND subject = $2 AND state = $3 ORDER BY id DESC"
        rows = await self.store.all(sql, principal.issuer, principal.subject, state)
        return self._connections(rows)

    async def count(self, principal: Principal) -> int:
        """How many connections a principal has, those that are being made too."""
        row = await self.store.one(_COUNT, principal.issuer, principal.subject)
        return int(row["n"]) if row else 0

    async def unconfirmed(self, since: int) -> list[Connection]:
        """Return everybody's connections that nobody has confirmed since a time."""
        sql = f"{_SELECT} WHERE state IN ($1, $2) AND changed < $3"
        states = (ConnectionState.PENDING, ConnectionState.CONFIRMING)
        return self._connections(await self.store.all(sql, *states, since))

    async def of(self, principal: Principal) -> list[Connection]:
        """Return all of a principal's connections, newest first, with their accounts' labels."""
        sql = f"{_SELECT} WHERE issuer = $1 AND subject = $2 ORDER BY id DESC"
        rows = await self.store.all(sql, principal.issuer, principal.subject)
        return [await self.labelled(self.store, one) for one in self._connections(rows)]

    async def labelled(self, db: Reads, connection: Connection) -> Connection:
        """Return the connection with its account's label, which is sealed."""
        if connection.account is None:
            return connection
        label = (await self._vault.open(db, ACCOUNT, connection.id)).content["label"]
        return replace(connection, label=label)

    async def insert(self, tx: Transaction, new: Connection) -> None:
        now = self._clock.now()
        await self._bound.insert(
            tx,
            id=new.id,
            issuer=new.principal.issuer,
            subject=new.principal.subject,
            connector=new.connector,
            registration=new.registration,
            state=new.state,
            token_set=new.token_set,
            scopes=json.dumps(sorted(new.scopes)),
            created=now,
            changed=now,
        )

    async def set_account(self, tx: Transaction, connection_id: str, account: str, label: str) -> None:
        """Name the account: its id as a keyed digest to find it by, its label sealed."""
        digest = self.account_digest(account)
        await self._bound.change(tx, connection_id, account=digest)
        await self._vault.put(tx, ACCOUNT, connection_id, {"id": account, "label": label})

    def account_digest(self, account: str) -> str:
        return self._vault.keys.server(Purpose.LOOKUP).digest(f"account {account}")

    async def to(
        self,
        tx: Transaction,
        connection: Connection,
        state: ConnectionState,
        *,
        by: str,
        reason: str | None = None,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        """Move a connection to a state, and record it as `connection.<state>`.

        Raises UsageError for one that was revoked: nothing leads back from there. No other step than those
        of `EDGES` is taken, and no other code writes a state: a row that somebody else wrote has no MAC.
        """
        now = await self.get(tx, connection.id)
        if now is None or now.state is ConnectionState.REVOKED:
            raise UsageError("this connection has ended already")
        if state not in EDGES[now.state]:
            raise AssertionError(f"no connection goes from {now.state} to {state}")
        await self._bound.change(tx, now.id, state=state, reason=reason, changed=self._clock.now())
        said = {
            "connection": connection.id,
            "connector": connection.connector,
            "reason": reason,
            **(facts or {}),
        }
        await self._audit.append(tx, AuditEvent(f"connection.{state}", by, connection.principal, None, said))

    async def replace_tokens(
        self, tx: Transaction, connection_id: str, token_set: str, scopes: frozenset[str]
    ) -> None:
        """Point a connection at other tokens, with what the provider granted them."""
        text, now = json.dumps(sorted(scopes)), self._clock.now()
        await self._bound.change(tx, connection_id, token_set=token_set, scopes=text, changed=now)

    async def sharing(self, db: Reads, token_set: str) -> list[Connection]:
        """Return the connections behind which a token set stands: a revoked one only used to have it."""
        sql = f"{_SELECT} WHERE token_set = $1 AND state != 'revoked'"
        return self._connections(await db.all(sql, token_set))

    async def ended(self, db: Reads, token_set: str) -> list[Connection]:
        """Return the revoked connections that used to have a token set."""
        sql = f"{_SELECT} WHERE token_set = $1 AND state = 'revoked'"
        return self._connections(await db.all(sql, token_set))

    async def using(self, db: Reads, registration: str) -> list[Connection]:
        """Return the connections that have not ended of a registration."""
        rows = await db.all(f"{_SELECT} WHERE registration = $1 AND state != 'revoked'", registration)
        return self._connections(rows)

    async def siblings(self, db: Reads, connection: Connection) -> list[Connection]:
        """Return the other connections in use of a connection's account and registration.

        Of an account without a name, all of its person's that may be the same.
        """
        who = (connection.principal.issuer, connection.principal.subject)
        rows = await db.all(_SIBLINGS, connection.registration, connection.id, connection.account or "", *who)
        return self._connections(rows)

    def _connections(self, rows: Iterable[Row]) -> list[Connection]:
        return [_connection(row) for row in self._bound.all_good(rows)]


def _connection(row: Row) -> Connection:
    return Connection(
        id=row["id"],
        principal=Principal(row["issuer"], row["subject"]),
        connector=row["connector"],
        registration=row["registration"],
        state=ConnectionState(row["state"]),
        token_set=row["token_set"],
        scopes=frozenset(json.loads(row["scopes"])),
        account=row["account"],
        reason=row["reason"],
    )


_COLUMNS = ("issuer", "subject", "connector", "registration", "state", "reason", "token_set", "scopes")
TABLE = Table("connections", ("id",), (*_COLUMNS, "account", "created", "changed"))
_SELECT = TABLE.select
_COUNT = "SELECT COUNT(*) AS n FROM connections WHERE issuer = $1 AND subject = $2 AND state <> 'revoked'"
_SIBLINGS = f"""
{_SELECT} WHERE registration = $1 AND id != $2 AND state IN ('confirming', 'connected')
  AND (account = $3 OR (issuer = $4 AND subject = $5 AND (account IS NULL OR $3 = '')))"""
