"""What egress puts on a request for a connection: its token, opened and fresh, bound to its origins."""

from dataclasses import replace

from valetkey.connections.presenting import credential
from valetkey.connections.refresh import Refresher
from valetkey.connections.rows import Rows
from valetkey.connections.setbacks import reconnect
from valetkey.connections.tokensets import Forgotten, Held, NotTheirs, OriginsChanged
from valetkey.egress import Credential
from valetkey.errors import CallError, IntegrityError
from valetkey.manifest import Connector
from valetkey.model import Connection, Outcome


class ConnectionCredentials:
    """The credentials of one connection at its connector, for `Egress.to`."""

    def __init__(
        self, refresher: Refresher, rows: Rows, connection: Connection, connector: Connector
    ) -> None:
        self._refresher, self._rows = refresher, rows
        self._connection, self._connector = connection, connector

    async def current(self) -> Credential:
        """Return the credential to send now. Raises CallError `reconnect`, `unavailable` or `failed`."""
        return await self._usable(0)

    async def renewed(self, refused: Credential) -> Credential | None:
        """Return a newer credential than the refused one. Raises CallError as `current` does."""
        return await self._usable(refused.version)

    async def _usable(self, refused: int) -> Credential:
        try:
            held = await self._held(refused)
        except (OriginsChanged, Forgotten):  # another `[hosts]`, a changed manifest, or its end a moment ago
            raise reconnect(self._connector) from None
        except IntegrityError as error:
            await self._refresher.damaged(self._connection.token_set)
            raise self._unusable(error) from None
        return credential(self._connector, held.tokens, held.version)

    def _unusable(self, error: IntegrityError) -> CallError:
        """Damaged tokens their person can replace; somebody else's are for the operator to look at."""
        if not isinstance(error, NotTheirs):
            return reconnect(self._connector)
        text = f"The stored access to {self._connector.title} is not this person's. The operator has to look."
        return CallError(Outcome.FAILED, text)

    async def _held(self, refused: int) -> Held:
        """Its tokens; those of its new token set, where its person has renewed it since this call began."""
        try:
            return await self._refresher.usable(self._connection, self._connector, refused=refused)
        except Forgotten:
            now = await self._rows.get(self._rows.store, self._connection.id)
            if now is None or now.token_set == self._connection.token_set:
                raise
        self._connection = now
        held = await self._refresher.usable(now, self._connector)
        return replace(held, version=max(held.version, refused + 1))  # newer, though its set counts anew
