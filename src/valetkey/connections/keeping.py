"""What arrived, sealed and named: a connection that is `confirming` until its person has said yes to it."""

from dataclasses import replace

from valetkey.connections.presenting import credential
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.egress import Egress, Outgoing
from valetkey.manifest import Account, Connector, whoami
from valetkey.manifest.replies import Reply
from valetkey.manifest.requests import Request
from valetkey.model import Connection, ConnectionState, Ids, Json, Principal, TokenSet
from valetkey.store import Transaction
from valetkey.vault import Vault

PENDING = "pending"
"""The vault's purpose for what is to happen once a connection is confirmed."""


class Keeping:
    """Seals token sets as connections that nobody may use yet."""

    def __init__(self, vault: Vault, egress: Egress, rows: Rows, sets: TokenSets, ids: Ids) -> None:
        self._vault, self._egress, self._rows, self._sets, self._ids = vault, egress, rows, sets, ids

    def new(self, tokens: TokenSet, principal: Principal, connector: Connector) -> Connection:
        """What a token set is going to be. Nothing of it is stored."""
        return Connection(
            id=self._ids.new("con"),
            principal=principal,
            connector=connector.name,
            registration=tokens.registration,
            state=ConnectionState.PENDING,
            token_set=self._ids.new("tok"),
            scopes=tokens.scopes,
        )

    async def seal(
        self,
        tx: Transaction,
        new: Connection,
        tokens: TokenSet,
        connector: Connector,
        request: str,
        luggage: Json,
    ) -> Connection:
        """Seal a token set that came of an access request; `luggage` is kept for it unread.

        Once: where an earlier try is stored after all, that is what there is.
        """
        if there := await self._rows.get(tx, new.id):
            return there
        receipt = await self._sets.put(tx, new.token_set, new.principal, tokens, connector)
        await self._rows.insert(tx, new)
        await self._vault.put(tx, PENDING, new.id, {"request": request, "luggage": luggage})
        state = ConnectionState.CONFIRMING
        await self._rows.to(tx, new, state, by="person", facts=receipt.facts())
        return replace(new, state=state)

    async def name(self, tx: Transaction, connection: Connection, account: Account) -> Connection:
        """Say whose account a connection is to."""
        await self._rows.set_account(tx, connection.id, account.id, account.label)
        return replace(connection, account=self._rows.account_digest(account.id), label=account.label)

    async def account(self, connector: Connector, tokens: TokenSet) -> Account | None:
        """Ask the provider whose tokens these are; None where it has no way to ask.

        Raises CallError when it refuses them or does not say, EgressError.
        """
        proof = credential(connector, tokens, 1)

        async def send(request: Request) -> Reply:
            return await self._egress.send(Outgoing(*request), origins=tokens.origins, credential=proof)

        return await whoami(connector, send)

    def overridden(self, connector: Connector) -> bool:
        """Whether `[hosts]` sends any of a connector's origins elsewhere."""
        return self._egress.overridden(connector.origins)
