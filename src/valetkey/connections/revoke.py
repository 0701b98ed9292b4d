"""Ending a connection: unusable at once everywhere, then given back at the provider, and its answer told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from valetkey.audit import Audit
from valetkey.connections.endpoint import TokenEndpoint, oauth2
from valetkey.connections.keeping import PENDING
from valetkey.connections.registrations import Registrations
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.egress import Egress
from valetkey.errors import EgressError, IntegrityError, OAuthRefused, UsageError
from valetkey.manifest import Catalog, Connector
from valetkey.model import AuditEvent, Connection, ConnectionState, Json, TokenSet
from valetkey.store import Store
from valetkey.vault import Vault

REVOKED = "revoked"
"""Why the secrets of a token set are gone, when their person ended the connection."""


class AtProvider(StrEnum):
    """What became of the tokens at the provider."""

    REVOKED = "revoked"
    NOT_SUPPORTED = "not_supported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Revoked:
    """How a revocation went, with the sentence its person is told."""

    at_provider: AtProvider
    told: str


class Revocation:
    """Revokes connections."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        sets: TokenSets,
        rows: Rows,
        registrations: Registrations,
        endpoint: TokenEndpoint,
        egress: Egress,
        audit: Audit,
        catalog: Catalog,
    ) -> None:
        self._store, self._vault, self._sets, self._rows = store, vault, sets, rows
        self._registrations = registrations
        self._endpoint, self._egress, self._audit, self._catalog = endpoint, egress, audit, catalog

    async def revoke(
        self, connection: Connection, by: str, facts: Mapping[str, Json] | None = None
    ) -> Revoked:
        """End a connection. `facts` go into its event. Raises UsageError when it has ended already."""
        connector = self._catalog.connectors.get(connection.connector)
        tokens = await self._end(connection, connector, by, facts or {})
        await self._store.erase_deleted()
        return await self.give_back(connection, connector, tokens)

    async def give_back(
        self, connection: Connection, connector: Connector | None, tokens: TokenSet | None
    ) -> Revoked:
        """Give the tokens of an ended connection back at the provider; the audit says what it answered."""
        result = await self._give_back(connection, connector, tokens)
        facts = {"connection": connection.id, "at_provider": result.at_provider}
        await self._audit.note(
            AuditEvent("connection.given_back", "system", connection.principal, None, facts)
        )
        return result

    async def _end(
        self, connection: Connection, connector: Connector | None, by: str, facts: Mapping[str, Json]
    ) -> TokenSet | None:
        """In one transaction: the row says revoked and the secrets are gone; from here no call can use it."""
        async with self._store.transaction() as tx:
            now = await self._rows.get(tx, connection.id)
            if now is None or now.state is ConnectionState.REVOKED:
                raise UsageError("this connection has ended already")
            tokens = None
            if connector is not None:
                try:
                    overridden = self._egress.overridden(connector.origins)
                    whose = (now.token_set, now.principal, connector)
                    tokens = (await self._sets.read(tx, *whose, overridden=overridden)).tokens
                except IntegrityError:
                    pass  # it cannot be opened to be given back; it goes all the same
            forgotten = await self._sets.forget(tx, now.token_set, REVOKED)
            await self._vault.forget(tx, PENDING, now.id)
            await self._rows.to(tx, now, ConnectionState.REVOKED, by=by, facts={**forgotten, **facts})
            return tokens

    async def _give_back(
        self, connection: Connection, connector: Connector | None, tokens: TokenSet | None
    ) -> Revoked:
        if connector is None or tokens is None:
            return Revoked(AtProvider.FAILED, "It has ended here. Remove it at the provider as well.")
        if connector.pasted or connection.registration is None:
            return Revoked(AtProvider.NOT_SUPPORTED, _still_works(connector))
        how = oauth2(connector).revoke
        if how is None or not how.supported:
            told = (
                how.tell
                if how and how.tell
                else "The provider has no way to be told; remove it there as well."
            )
            return Revoked(AtProvider.NOT_SUPPORTED, f"It has ended here. {told}")
        try:
            client = await self._registrations.get(self._store, connection.registration)
            await self._endpoint.revoke(connector, client, tokens)
        except (OAuthRefused, EgressError, IntegrityError):
            told = f"It has ended here, but {connector.title} did not confirm. Remove it there as well."
            return Revoked(AtProvider.FAILED, told)
        return Revoked(
            AtProvider.REVOKED, f"It has ended here, and {connector.title} confirmed that its access is gone."
        )


def _still_works(connector: Connector) -> str:
    """A pasted secret is not ours to end: only its person can, where they got it."""
    where = f": {connector.pasted.where}" if connector.pasted else ""
    return f"It has ended here. At {connector.title} the secret works until you remove it there{where}."
