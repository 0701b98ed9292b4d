"""Ending a connection: unusable at once everywhere, whatever its provider says to it afterwards."""

from collections.abc import Mapping

from valetkey.connections.giving_back import GivingBack
from valetkey.connections.keeping import PENDING
from valetkey.connections.revoked import Revoked
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.egress import Egress
from valetkey.errors import IntegrityError, UsageError
from valetkey.manifest import Catalog
from valetkey.model import Connection, ConnectionState, Json, Principal, TokenSet
from valetkey.store import Store, Transaction
from valetkey.vault import Vault

REVOKED = "revoked"
"""Why the secrets of a token set are gone, when their person ended the connection."""


class Revocation:
    """Revokes connections."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        sets: TokenSets,
        rows: Rows,
        giving: GivingBack,
        egress: Egress,
        catalog: Catalog,
    ) -> None:
        self._store, self._vault, self._sets, self._rows = store, vault, sets, rows
        self._giving, self._egress, self._catalog = giving, egress, catalog

    async def revoke(
        self, connection: Connection, by: str, facts: Mapping[str, Json] | None = None
    ) -> Revoked:
        """End a connection. `facts` go into its event. Raises UsageError when it has ended already."""
        async with self._store.transaction() as tx:
            tokens = await self._end(tx, connection, by, facts or {})
            settled = await self._giving.prepare(tx, connection, tokens)
        await self._store.erase_deleted()
        return settled or await self._giving.tell(connection)

    async def leave(self, connection: Connection, by: str) -> None:
        """The same, and whoever comes to `retry` next tells the provider. Raises UsageError."""
        async with self._store.transaction() as tx:
            tokens = await self._end(tx, connection, by, {})
            await self._giving.prepare(tx, connection, tokens, within=0)

    async def give_back(self, connection: Connection, tokens: TokenSet) -> None:
        """Give back tokens that came for a connection after it had ended."""
        async with self._store.transaction() as tx:
            settled = await self._giving.prepare(tx, connection, tokens)
        if settled is None:
            await self._giving.tell(connection)

    async def untold(self, principal: Principal) -> list[Connection]:
        """Return a person's connections that have ended here, and whose provider has still to be told."""
        return await self._giving.waiting(principal)

    async def retry(self) -> None:
        """Tell the providers that have not answered yet."""
        await self._giving.retry()

    async def _end(
        self, tx: Transaction, connection: Connection, by: str, facts: Mapping[str, Json]
    ) -> TokenSet | None:
        """The row says revoked and no call finds the secrets; returns them where they could be opened."""
        now = await self._rows.get(tx, connection.id)
        if now is None or now.state is ConnectionState.REVOKED:
            raise UsageError("this connection has ended already")
        tokens = await self._opened(tx, now)
        forgotten = await self._sets.forget(tx, now.token_set, REVOKED)
        await self._vault.forget(tx, PENDING, now.id)
        await self._rows.to(tx, now, ConnectionState.REVOKED, by=by, facts={**forgotten, **facts})
        return tokens

    async def _opened(self, tx: Transaction, now: Connection) -> TokenSet | None:
        connector = self._catalog.connectors.get(now.connector)
        if connector is None:
            return None
        whose, overridden = (
            (now.token_set, now.principal, connector),
            self._egress.overridden(connector.origins),
        )
        try:
            return (await self._sets.read(tx, *whose, overridden=overridden)).tokens
        except IntegrityError:  # it cannot be opened to be given back; it goes all the same
            return None
