"""Telling providers that a connection has ended: at once, and where that fails, again for a day.

Until then its tokens are sealed where no call looks. That it has ended here is done before, in `revoke`.
"""

import logging

import anyio

from valetkey.audit import Audit
from valetkey.connections import revoked
from valetkey.connections.endpoint import TokenEndpoint, oauth2
from valetkey.connections.registrations import Registrations
from valetkey.connections.revoked import AtProvider, Revoked
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.connections.verdict import is_final
from valetkey.egress import Egress
from valetkey.errors import Dormant, EgressError, IntegrityError, OAuthRefused, UsageError, where
from valetkey.manifest import Catalog, Connector
from valetkey.model import DAY, HOUR, MINUTE, AuditEvent, Clock, Connection, Principal, TokenSet
from valetkey.store import Store, Transaction

_log = logging.getLogger(__name__)
GIVE_UP_AFTER = DAY
_AT_ONCE = 50
"""How many are told in one go of the job, side by side: a provider that hangs costs it twenty seconds."""


class GivingBack:
    """Tells providers of ended connections."""

    def __init__(
        self,
        store: Store,
        rows: Rows,
        sets: TokenSets,
        registrations: Registrations,
        endpoint: TokenEndpoint,
        egress: Egress,
        audit: Audit,
        catalog: Catalog,
        clock: Clock,
    ) -> None:
        self._store, self._rows, self._sets, self._registrations = store, rows, sets, registrations
        self._endpoint, self._egress, self._audit = endpoint, egress, audit
        self._catalog, self._clock = catalog, clock

    async def prepare(
        self, tx: Transaction, connection: Connection, tokens: TokenSet | None, *, within: int = MINUTE
    ) -> Revoked | None:
        """Set the tokens of an ended connection aside for `tell`, or say why its provider is not told.

        `within` is the time that this process has for telling: after it, the job does.
        """
        settled = await self._settled(tx, connection, tokens)
        if settled is not None:
            await self._audit.append(tx, _event(connection, settled.at_provider))
        elif tokens is not None:
            await self._sets.set_aside(tx, connection.id, connection.principal, tokens)
            now = self._clock.now()
            await tx.run(_NEW, connection.id, now, now + within)
        return settled

    async def tell(self, connection: Connection) -> Revoked:
        """Tell the provider of a connection that was prepared; where it does not answer, later once more."""
        connector = self._catalog.connectors.get(connection.connector)
        if connector is None:
            return await self._done(connection, revoked.UNKNOWN)
        try:
            tokens = await self._aside(connection, connector)
        except IntegrityError:  # damaged, or got for other addresses: nobody can tell any more
            return await self._done(connection, revoked.UNKNOWN)
        try:
            client = await self._registrations.of(self._store, connection.registration or "", connector)
            await self._endpoint.revoke(connector, client, tokens)
        except (OAuthRefused, EgressError, IntegrityError, UsageError, Dormant) as error:
            if isinstance(error, OAuthRefused) and is_final(error, oauth2(connector).refresh):
                return await self._done(connection, revoked.refused(connector))
            return await self._later(connection, connector)
        return await self._done(connection, revoked.confirmed(connector))

    async def waiting(self, principal: Principal) -> list[Connection]:
        """Return a person's ended connections whose provider has not answered yet, oldest first."""
        rows = await self._store.all(_WAITING, principal.issuer, principal.subject)
        found = [await self._rows.get(self._store, row["connection"]) for row in rows]
        return [one for one in found if one is not None]

    async def retry(self) -> None:
        """Tell those providers again whose turn it is."""
        async with anyio.create_task_group() as tasks:
            for row in await self._store.all(_DUE, self._clock.now(), _AT_ONCE):
                if connection := await self._rows.get(self._store, row["connection"]):
                    tasks.start_soon(self._told, connection)

    async def _told(self, connection: Connection) -> None:
        """Tell one; what goes wrong with it stops none of the others, and is tried later, too."""
        try:
            await self.tell(connection)
        except Exception as error:  # noqa: BLE001 - it is one of many
            _log.error("the provider of %s could not be told of its end: %s", connection.id, where(error))
            async with self._store.transaction() as tx:
                await tx.run(_PUT_OFF, self._clock.now() + HOUR, connection.id)

    async def _settled(
        self, tx: Transaction, connection: Connection, tokens: TokenSet | None
    ) -> Revoked | None:
        """What is known without asking the provider, if anything."""
        connector = self._catalog.connectors.get(connection.connector)
        if connector is None or tokens is None:
            return revoked.UNKNOWN
        if settled := revoked.cannot_be_told(connector):
            return settled
        how = oauth2(connector).revoke
        if how and how.siblings and await self._rows.siblings(tx, connection):
            return revoked.shared(connector)
        return None

    async def _aside(self, connection: Connection, connector: Connector) -> TokenSet:
        overridden = self._egress.overridden(connector.origins)
        whose = (connection.id, connection.principal, connector)
        return await self._sets.aside(self._store, *whose, overridden=overridden)

    async def _later(self, connection: Connection, connector: Connector) -> Revoked:
        now, row = self._clock.now(), await self._store.one(_ROW, connection.id)
        if row is None or now - row["since"] >= GIVE_UP_AFTER:
            return await self._done(connection, revoked.refused(connector))
        wait = min(HOUR, MINUTE << row["tries"])
        async with self._store.transaction() as tx:
            await tx.run(_LATER, row["tries"] + 1, now + wait, connection.id)
            if row["tries"] == 0:
                await self._audit.append(tx, _event(connection, AtProvider.PENDING))
        return revoked.pending(connector)

    async def _done(self, connection: Connection, result: Revoked) -> Revoked:
        """Forget the tokens; the audit says what the provider answered."""
        async with self._store.transaction() as tx:
            await self._sets.forget_aside(tx, connection.id)
            if await tx.run("DELETE FROM give_backs WHERE connection = $1", connection.id):
                await self._audit.append(tx, _event(connection, result.at_provider))
        await self._store.erase_deleted()
        return result


def _event(connection: Connection, at_provider: AtProvider) -> AuditEvent:
    facts = {"connection": connection.id, "at_provider": at_provider}
    return AuditEvent("connection.given_back", "system", connection.principal, None, facts)


_NEW = """
INSERT INTO give_backs (connection, since, tries, again) VALUES ($1, $2, 0, $3)
ON CONFLICT (connection) DO UPDATE SET since = excluded.since, tries = 0, again = excluded.again"""
_ROW = "SELECT since, tries FROM give_backs WHERE connection = $1"
_DUE = "SELECT connection FROM give_backs WHERE again <= $1 ORDER BY again LIMIT $2"
_WAITING = """
SELECT g.connection FROM give_backs g JOIN connections c ON c.id = g.connection
WHERE c.issuer = $1 AND c.subject = $2 ORDER BY g.since"""
_PUT_OFF = "UPDATE give_backs SET again = $1 WHERE connection = $2"
_LATER = "UPDATE give_backs SET tries = $1, again = $2 WHERE connection = $3"
