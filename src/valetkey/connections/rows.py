"""The rows of connections: finding them, and the few steps from one state to another.

pending -> confirming -> connected <-> needs_reauth, and any of them -> revoked
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.model import AuditEvent, Clock, Connection, ConnectionState, Json, Principal
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import Purpose, Vault

ACCOUNT = "account"
_LIVE = (ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH)


class Rows:
    """Reads and changes connections; every change says so in the audit, in the same transaction."""

    def __init__(self, store: Store, vault: Vault, audit: Audit, clock: Clock) -> None:
        self.store, self._vault, self._audit, self._clock = store, vault, audit, clock

    async def get(self, db: Reads, connection_id: str) -> Connection | None:
        row = await db.one(f"{_CONNECTIONS} WHERE id = $1", connection_id)
        return _connection(row) if row else None

    async def live(self, db: Reads, principal: Principal, connector: str) -> list[Connection]:
        """Return a principal's connections to a connector that work or could again, oldest first."""
        mine = f"{_CONNECTIONS} WHERE issuer = $1 AND subject = $2"
        sql = f"{mine} AND connector = $3 AND state IN ($4, $5) ORDER BY id"
        rows = await db.few(sql, principal.issuer, principal.subject, connector, *_LIVE)
        return [_connection(row) for row in rows]

    async def in_state(self, principal: Principal, state: ConnectionState) -> list[Connection]:
        """Return a principal's connections in one state, newest first."""
        sql = f"{_CONNECTIONS} WHERE issuer = $1 AND subject = $2 AND state = $3 ORDER BY id DESC"
        rows = await self.store.all(sql, principal.issuer, principal.subject, state)
        return [_connection(row) for row in rows]

    async def unconfirmed(self, since: int) -> list[Connection]:
        """Return everybody's connections that nobody has confirmed since a time."""
        sql = f"{_CONNECTIONS} WHERE state IN ($1, $2) AND changed < $3"
        states = (ConnectionState.PENDING, ConnectionState.CONFIRMING)
        return [_connection(row) for row in await self.store.all(sql, *states, since)]

    async def of(self, principal: Principal) -> list[Connection]:
        """Return all of a principal's connections, newest first, with their accounts' labels."""
        sql = f"{_CONNECTIONS} WHERE issuer = $1 AND subject = $2 ORDER BY id DESC"
        rows = await self.store.all(sql, principal.issuer, principal.subject)
        return [await self.labelled(self.store, _connection(row)) for row in rows]

    async def labelled(self, db: Reads, connection: Connection) -> Connection:
        """Return the connection with its account's label, which is sealed."""
        if connection.account is None:
            return connection
        label = (await self._vault.open(db, ACCOUNT, connection.id)).content["label"]
        return replace(connection, label=label)

    async def insert(self, tx: Transaction, new: Connection) -> None:
        now, scopes = self._clock.now(), json.dumps(sorted(new.scopes))
        who = (new.principal.issuer, new.principal.subject)
        values = (new.id, *who, new.connector, new.registration, new.state, new.token_set, scopes, now)
        await tx.run(_INSERT, *values)

    async def set_account(self, tx: Transaction, connection_id: str, account: str, label: str) -> None:
        """Name the account: its id as a keyed digest to find it by, its label sealed."""
        digest = self.account_digest(account)
        await tx.run("UPDATE connections SET account = $1 WHERE id = $2", digest, connection_id)
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

        Raises UsageError for one that was revoked: nothing leads back from there.
        """
        if not await tx.run(_MOVE, state, reason, self._clock.now(), connection.id):
            raise UsageError("this connection has ended already")
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
        sql = "UPDATE connections SET token_set = $1, scopes = $2, changed = $3 WHERE id = $4"
        await tx.run(sql, token_set, json.dumps(sorted(scopes)), self._clock.now(), connection_id)

    async def sharing(self, db: Reads, token_set: str) -> list[Connection]:
        """Return the connections behind which a token set stands: a revoked one only used to have it."""
        sql = f"{_CONNECTIONS} WHERE token_set = $1 AND state != 'revoked'"
        return [_connection(row) for row in await db.all(sql, token_set)]

    async def ended(self, db: Reads, token_set: str) -> list[Connection]:
        """Return the revoked connections that used to have a token set."""
        sql = f"{_CONNECTIONS} WHERE token_set = $1 AND state = 'revoked'"
        return [_connection(row) for row in await db.all(sql, token_set)]


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


_CONNECTIONS = """
SELECT id, issuer, subject, connector, registration, state, reason, token_set, scopes, account
FROM connections"""
_MOVE = """
UPDATE connections SET state = $1, reason = $2, changed = $3 WHERE id = $4 AND state != 'revoked'"""
_INSERT = """
INSERT INTO connections
  (id, issuer, subject, connector, registration, state, token_set, scopes, created, changed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)"""
