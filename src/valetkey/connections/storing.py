"""Making what a provider has issued durable: until the store takes it, it is held in memory.

It may be the only token of its connection that still lives. Which tokens those are is `renewal`'s business.
"""

import logging
from contextlib import suppress
from functools import partial

import anyio
from anyio.abc import TaskGroup

from valetkey.audit import Audit
from valetkey.connections.insisting import Insisting
from valetkey.connections.revoke import REVOKED, Revocation
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import Forgotten, Held, TokenSets
from valetkey.errors import StoreError, ValetkeyError
from valetkey.manifest import Connector
from valetkey.model import AuditEvent, ConnectionState, TokenSet
from valetkey.store import Store, Transaction

_log = logging.getLogger(__name__)


class Storing:
    """Stores renewed token sets. `tasks` belongs to the server."""

    def __init__(
        self,
        store: Store,
        sets: TokenSets,
        rows: Rows,
        revocation: Revocation,
        audit: Audit,
        tasks: TaskGroup,
    ) -> None:
        self._store, self._sets, self._rows = store, sets, rows
        self._revocation, self._audit, self._tasks = revocation, audit, tasks
        self._insisting = Insisting(tasks)
        self._unsaved: dict[tuple[str, int], TokenSet] = {}

    def unsaved(self, held: Held) -> TokenSet | None:
        """Return what replaced these tokens already, if the store could not take it so far."""
        return self._unsaved.get((held.id, held.version))

    async def saved(self, held: Held, connector: Connector, tokens: TokenSet) -> Held:
        """Make new tokens durable before anyone uses them.

        Guarded by the version and not by the lease: a late answer may hold the only live token. Raises
        Forgotten when the connection was ended or renewed meanwhile; StoreError when the store takes
        nothing just now. Then, and whatever else goes wrong, they are kept and stored as soon as it does.
        """
        try:
            return await self._stored(held, connector, tokens)
        except Exception as error:
            if not _final(error):
                self._keep(held, connector, tokens)
            raise

    def _keep(self, held: Held, connector: Connector, tokens: TokenSet) -> None:
        if self.unsaved(held) is None:
            self._unsaved[held.id, held.version] = tokens
            self._tasks.start_soon(self._keep_trying, held, connector, tokens)

    async def _keep_trying(self, held: Held, connector: Connector, tokens: TokenSet) -> None:
        settled = partial(self._settled, held, connector, tokens)
        with anyio.CancelScope(shield=True), suppress(Exception):  # which the log names
            await self._insisting.stored(f"the renewed tokens of {held.id}", settled)
        del self._unsaved[held.id, held.version]

    async def _settled(self, held: Held, connector: Connector, tokens: TokenSet) -> None:
        """Try to store them. Raises whatever keeps the store from taking them just now."""
        try:
            await self._stored(held, connector, tokens)
        except Exception as error:
            if not _final(error):
                raise
            _log.warning("the renewed tokens of %s were not stored: %s", held.id, error)

    async def _stored(self, held: Held, connector: Connector, tokens: TokenSet) -> Held:
        overridden = held.tokens.overridden
        try:
            async with self._store.transaction() as tx:
                now = await self._sets.read(tx, held.id, held.owner, connector, overridden=overridden)
                if now.version == held.version:
                    await self._replaced(tx, held, connector, tokens)
                return await self._sets.read(tx, held.id, held.owner, connector, overridden=overridden)
        except Forgotten as forgotten:
            if forgotten.reason == REVOKED:
                await self._give_back(held.id, tokens)
            raise

    async def _replaced(self, tx: Transaction, held: Held, connector: Connector, tokens: TokenSet) -> None:
        receipt = await self._sets.put(tx, held.id, held.owner, tokens, connector)
        for connection in await self._rows.sharing(tx, held.id):
            await self._rows.replace_tokens(tx, connection.id, held.id, tokens.scopes)
            facts = {"connection": connection.id, "connector": connection.connector, **receipt.facts()}
            event = AuditEvent("tokens.refreshed", "system", connection.principal, None, facts)
            await self._audit.append(tx, event)
            if connection.state is ConnectionState.NEEDS_REAUTH:  # a later holder had given up too early
                await self._rows.to(
                    tx, connection, ConnectionState.CONNECTED, by="system", reason="late_answer"
                )

    async def _give_back(self, key: str, tokens: TokenSet) -> None:
        """Its person ended the connection while it was being renewed: what the provider issued ends, too."""
        for connection in await self._rows.ended(self._store, key):
            await self._revocation.give_back(connection, tokens)


def _final(error: Exception) -> bool:
    """Whether nobody needs the tokens any more: ended, renewed by somebody else, damaged where they belong.

    Anything that nobody foresaw is not, and neither is a store that takes nothing.
    """
    return isinstance(error, ValetkeyError) and not isinstance(error, StoreError)
