"""What egress puts on a request for a connection: its token, opened and fresh, bound to its origins."""

from valetkey.connections.presenting import credential
from valetkey.connections.refresh import Refresher
from valetkey.connections.renewal import reconnect
from valetkey.connections.tokensets import Forgotten, OriginsChanged
from valetkey.egress import Credential
from valetkey.errors import IntegrityError
from valetkey.manifest import Connector


class ConnectionCredentials:
    """The credentials of one token set at one connector, for `Egress.to`."""

    def __init__(self, refresher: Refresher, token_set: str, connector: Connector) -> None:
        self._refresher, self._token_set, self._connector = refresher, token_set, connector

    async def current(self) -> Credential:
        """Return the credential to send now. Raises CallError `reconnect` or `unavailable`."""
        return await self._usable(0)

    async def renewed(self, refused: Credential) -> Credential | None:
        """Return a newer credential than the refused one. Raises CallError as `current` does."""
        return await self._usable(refused.version)

    async def _usable(self, refused: int) -> Credential:
        try:
            held = await self._refresher.usable(self._token_set, self._connector, refused=refused)
        except (OriginsChanged, Forgotten):  # another `[hosts]`, a changed manifest, or its end a moment ago
            raise reconnect(self._connector) from None
        except IntegrityError:
            await self._refresher.damaged(self._token_set)
            raise reconnect(self._connector) from None
        return credential(self._connector, held.tokens, held.version)
