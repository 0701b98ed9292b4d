"""Making what a provider has issued durable: until the store takes it, it is held in memory.

It may be the only token of its connection that still lives. Which tokens those are is `renewal`'s business.
"""

import logging

import anyio
from anyio.abc import TaskGroup

from valetkey.audit import Audit
from valetkey.connections.revoke import REVOKED, Revocation
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import Forgotten, Held, TokenSets
from valetkey.errors import StoreError, ValetkeyError
from valetkey.manifest import Connector
from valetkey.model import AuditEvent, ConnectionState, TokenSet
from valetkey.store import Store, Transaction

_AGAIN_SECONDS = 0.2
"""Soon, because with the store another process can be at it again, too, and would spend the old token."""

_log = logging.getLogger(__name__)


class Storing:
    """Stores renewed token sets. `tasks` belongs to the server; what it cancels is tried no more."""

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
        self._unsaved: dict[tuple[str, int], TokenSet] = {}

    def unsaved(self, held: Held) -> TokenSet | None:
        """Return what replaced these tokens already, if the store could not take it so far."""
        return self._unsaved.get((held.id, held.version))

    async def saved(self, held: Held, connector: Connector, tokens: TokenSet) -> Held:
        """Make new tokens durable before anyone uses them.

        Guarded by the version and not by the lease: a late answer may hold the only live token. Raises
        Forgotten when the connection was ended or renewed meanwhile; StoreError when the store takes
        nothing just now: then they are kept, and stored as soon as it does.
        """
        try:
            return await self._stored(held, connector, tokens)
        except StoreError:
            if self.unsaved(held) is None:
                self._unsaved[held.id, held.version] = tokens
                self._tasks.start_soon(self._keep_trying, held, connector, tokens)
            raise

    async def _keep_trying(self, held: Held, connector: Connector, tokens: TokenSet) -> None:
        _log.critical("the renewed tokens of %s cannot be stored; they are held until they can", held.id)
        with anyio.CancelScope(shield=True):
            while not await self._settled(held, connector, tokens):
                if self._tasks.cancel_scope.cancel_called:
                    _log.critical("the renewed tokens of %s are lost: the store never took them", held.id)
                    break
                await anyio.sleep(_AGAIN_SECONDS)
        del self._unsaved[held.id, held.version]

    async def _settled(self, held: Held, connector: Connector, tokens: TokenSet) -> bool:
        """Try to store them; False: the store takes nothing yet."""
        try:
            await self._stored(held, connector, tokens)
        except StoreError:
            return False
        except ValetkeyError as error:  # ended, or renewed by somebody else: nobody needs them any more
            _log.warning("the renewed tokens of %s were not stored: %s", held.id, error)
        return True

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
