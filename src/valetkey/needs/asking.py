"""What an agent asks of people outside of any call: at token exchange without a grant, and ahead of time."""

from collections.abc import Sequence

from valetkey.connections import Connections
from valetkey.errors import CallError
from valetkey.manifest import Catalog
from valetkey.model import Caller, ConnectionState, Effect, Outcome, Principal
from valetkey.needs.request import AccessRequest
from valetkey.needs.requests import Requests

MOST_TOOLS = 30


class Asking:
    """Puts access requests before people."""

    def __init__(self, catalog: Catalog, connections: Connections, requests: Requests) -> None:
        self._catalog, self._rows, self._requests = catalog, connections.rows, requests

    async def now(self, caller: Caller, tools: Sequence[str]) -> str:
        """Return the link of a request, for ten minutes; without tools, for all that read what is connected.

        Raises CallError: `not_found` for a tool there is not, `invalid`, `rate_limited`.
        """
        names = self._checked(tools or await self._reading(caller.principal))
        request = await self._requests.find_or_make(caller, names, Outcome.NOT_GRANTED)
        return self._requests.link(request)

    async def ahead(self, caller: Caller, tools: Sequence[str], *, offline: bool) -> AccessRequest:
        """Return a request that waits seven days for its person. Raises CallError as `now` does."""
        return await self._requests.ahead(caller, self._checked(tools), offline=offline)

    def _checked(self, tools: Sequence[str]) -> tuple[str, ...]:
        if not 1 <= len(tools) <= MOST_TOOLS:
            raise CallError(Outcome.INVALID, f"Name between one and {MOST_TOOLS} tools.")
        return tuple(dict.fromkeys(self._catalog.tool(name).name for name in tools))

    async def _reading(self, principal: Principal) -> list[str]:
        mine = await self._rows.in_state(principal, ConnectionState.CONNECTED)
        connected = {connection.connector for connection in mine}
        reading = (tool for tool in self._catalog.tools if tool.effect is Effect.READ)
        return [tool.name for tool in reading if tool.connector.name in connected][:MOST_TOOLS]
