"""Which client asks to be let in: the operator's, one that registered, or one known by its document."""

from dataclasses import replace

from valetkey.authserver.cimd import Documents
from valetkey.errors import OAuthError
from valetkey.people import Agent, Agents, Kind
from valetkey.store import Store, Transaction

_LONGEST_ID = 500


class Clients:
    """Finds clients. `documents` is None where the operator wants no clients that are known by these."""

    def __init__(self, store: Store, agents: Agents, documents: Documents | None) -> None:
        self._store, self._agents, self._documents = store, agents, documents

    async def client(self, client_id: str) -> Agent:
        """Return a client, which may be suspended; one with a document need not be kept yet.

        Raises OAuthError `invalid_client`.
        """
        kept = await self._agents.get(self._store, client_id) if len(client_id) <= _LONGEST_ID else None
        if client_id.startswith("https://") and self._documents:
            shown = await self._documents.client(client_id)
            return replace(shown, suspended=kept.suspended) if kept else shown
        if kept is None or kept.kind not in {Kind.NAMED, Kind.DYNAMIC}:
            raise OAuthError("invalid_client", "this client is not known here; it has to register again")
        return kept

    async def let_in(self, tx: Transaction, client: Agent) -> None:
        """Remember that a person let a client in; of one with a document, what that says now."""
        if client.kind is Kind.DOCUMENT:
            await self._agents.describe(tx, client)
        await self._agents.seen(tx, client)
