"""From a code to a connection: redeemed, sealed, named by `whoami`, confirmed by its person.

Until the person says that the account is theirs the connection is `confirming`: sealed, unused.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from anyio.abc import TaskGroup

from valetkey.connections.answer import Answer
from valetkey.connections.authorize import Trip, asleep
from valetkey.connections.detached import Flight
from valetkey.connections.endpoint import TokenEndpoint, oauth2
from valetkey.connections.insisting import Insisting
from valetkey.connections.keeping import PENDING, Keeping
from valetkey.connections.registrations import Registrations
from valetkey.connections.revoke import Revocation
from valetkey.connections.rows import Rows
from valetkey.connections.tokensets import TokenSets
from valetkey.connections.verdict import is_operators
from valetkey.errors import (
    CallError,
    Dormant,
    EgressError,
    OAuthRefused,
    PageError,
    UsageError,
)
from valetkey.manifest import Account, Connector
from valetkey.model import Clock, Connection, ConnectionState, Json, Principal, Registration, TokenSet
from valetkey.store import Reads, Store, Transaction
from valetkey.vault import Vault


@dataclass(frozen=True, slots=True)
class Confirming:
    """A connection waiting for its person's word, and what they allowed when they set out."""

    connection: Connection
    luggage: Json


class StoredLater(PageError):
    """What the provider gave is held in memory until the store takes it; `request` is what it is for."""

    def __init__(self, connector: Connector, request: str) -> None:
        self.request = request
        text = (
            f"What {connector.title} gave cannot be written just now. It is kept, and stored as soon as it "
            "can be: go on in a few minutes."
        )
        super().__init__(503, "Wait a moment", text)


class Connecting:
    """Makes connections of trips that came back."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        keeping: Keeping,
        endpoint: TokenEndpoint,
        registrations: Registrations,
        rows: Rows,
        sets: TokenSets,
        revocation: Revocation,
        clock: Clock,
        tasks: TaskGroup,
    ) -> None:
        self._store, self._vault, self._keeping, self._endpoint = store, vault, keeping, endpoint
        self._registrations, self._rows, self._sets = registrations, rows, sets
        self._revocation = revocation
        self._clock, self._tasks, self._insisting = clock, tasks, Insisting(tasks)

    async def arrive(
        self, trip: Trip, principal: Principal, connector: Connector, asked: frozenset[str], redirect_uri: str
    ) -> Connection:
        """Redeem a trip's code and seal what comes, whatever becomes of the browser that brought it.

        Raises PageError 502 when the provider does not answer or refuses, 503 when it refuses our client;
        StoredLater when the store takes nothing just now.
        """

        async def work() -> Connection:
            return await self._arrive(trip, principal, connector, asked, redirect_uri, held)

        def held() -> None:
            flight.dismiss(StoredLater(connector, trip.request))

        flight = Flight.begin(self._tasks, work)
        try:
            return await flight.landed()
        except (OAuthRefused, EgressError, CallError, UsageError) as error:
            raise _not_connected(connector, error) from None

    async def _arrive(
        self,
        trip: Trip,
        principal: Principal,
        connector: Connector,
        asked: frozenset[str],
        redirect_uri: str,
        held: Callable[[], object],
    ) -> Connection:
        client = await self._registrations.of(self._store, trip.registration, connector)
        sent = self._clock.now()
        answer = await self._redeemed(connector, client, trip, redirect_uri)
        tokens = self._tokens(answer, connector, client.name, asked, sent)
        new = self._keeping.new(tokens, principal, connector)

        async def seal() -> Connection:  # durable before anybody is asked whose it is
            async with self._store.transaction() as tx:
                return await self._keeping.seal(tx, new, tokens, connector, trip.request, trip.luggage)

        sealed = await self._insisting.stored(f"the tokens of {new.id}", seal, held)
        try:
            account = await self._keeping.account(connector, tokens)
        except (CallError, EgressError):  # nobody can say yes to an account that nobody can name
            await self._revocation.revoke(sealed, "system")
            raise
        return await self._named(sealed, account, held)

    async def _redeemed(
        self, connector: Connector, client: Registration, trip: Trip, redirect_uri: str
    ) -> Answer:
        """Redeem the code; that the provider does not take our client, the operator finds in the audit."""
        try:
            return await self._endpoint.redeem(
                connector, client, code=trip.code, verifier=trip.verifier, redirect_uri=redirect_uri
            )
        except OAuthRefused as refusal:
            if is_operators(refusal, oauth2(connector).refresh):
                async with self._store.transaction() as tx:
                    await self._registrations.refused(tx, client.name, refusal.error)
            raise

    def _tokens(
        self, answer: Answer, connector: Connector, client: str, asked: frozenset[str], sent: int
    ) -> TokenSet:
        return TokenSet(
            access=answer.access,
            refresh=answer.refresh,
            issued_at=sent,
            expires_at=None if answer.lasts is None else sent + answer.lasts,
            scopes=asked if answer.scopes is None else answer.scopes,  # RFC 6749 section 5.1
            origins=connector.origins,
            registration=client,
            connectors=frozenset({connector.name}),
            overridden=self._keeping.overridden(connector),
            consented_at=sent,
            refresh_until=None if answer.refresh_lasts is None else sent + answer.refresh_lasts,
        )

    async def _named(
        self, connection: Connection, account: Account | None, held: Callable[[], object]
    ) -> Connection:
        if account is None:
            return connection

        async def name() -> Connection:
            async with self._store.transaction() as tx:
                return await self._keeping.name(tx, connection, account)

        return await self._insisting.stored(f"the names of {connection.id}", name, held)

    async def waiting(
        self, request: str, principal: Principal, connectors: Collection[str]
    ) -> Confirming | None:
        """Return the newest connection to one of the connectors that an access request waits to confirm."""
        for connection in await self._rows.in_state(principal, ConnectionState.CONFIRMING):
            content = (await self._vault.open(self._store, PENDING, connection.id)).content
            if content["request"] == request and connection.connector in connectors:
                return Confirming(await self._rows.labelled(self._store, connection), content["luggage"])
        return None

    async def replaced(self, db: Reads, connection: Connection, about: str | None) -> Connection | None:
        """Return the person's earlier connection to the same account, which this one would renew.

        `about` is the connection it was made to renew: the same account where none has a name.
        """
        live = await self._rows.live(db, connection.principal, connection.connector)
        same = [old for old in live if old.account == connection.account and (old.account or old.id == about)]
        return same[0] if same else None

    async def settle(self, tx: Transaction, connection: Connection, about: str | None) -> Connection:
        """Make a confirmed connection count; an earlier one to the same account keeps its id and grants.

        Raises PageError 409 when it was given back meanwhile.
        """
        now = await self._rows.get(tx, connection.id)
        if now is None or now.state is not ConnectionState.CONFIRMING:
            raise PageError(409, "Too late", "This connection was given back meanwhile. Open the link again.")
        await self._vault.forget(tx, PENDING, connection.id)
        old = await self.replaced(tx, connection, about)
        if old is None:
            await self._rows.to(tx, connection, ConnectionState.CONNECTED, by="person")
            return replace(connection, state=ConnectionState.CONNECTED)
        forgotten = await self._sets.forget(tx, old.token_set, "replaced")
        await self._rows.replace_tokens(tx, old.id, connection.token_set, connection.scopes)
        facts = {**forgotten, "tokens_of": connection.id}
        await self._rows.to(tx, old, ConnectionState.CONNECTED, by="person", facts=facts)
        await self._rows.to(tx, connection, ConnectionState.REVOKED, by="person", reason="renewed_another")
        return replace(old, state=ConnectionState.CONNECTED, token_set=connection.token_set)


def _not_connected(connector: Connector, error: Exception) -> PageError:
    if isinstance(error, Dormant):
        return asleep(error)
    if isinstance(error, UsageError) or (
        isinstance(error, OAuthRefused) and is_operators(error, oauth2(connector).refresh)
    ):
        text = (
            f"{connector.title}'s provider does not take this server's client. Nothing was connected. The "
            "operator has to mend it: `valetkey doctor` says how."
        )
        return PageError(503, "Not set up right", text)
    text = f"{connector.title} did not complete the connection. Nothing was connected; try again."
    return PageError(502, "This did not work", text)
