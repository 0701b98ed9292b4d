"""The callback port: the pages, served by whichever stdio process gets it while somebody has to answer.

Pages keep all state in the store, so any process serves any link. `valetkey serve` on the same home
comes first: while it runs, no stdio process takes the port.
"""

from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup

from valetkey.assemble import SERVER, House
from valetkey.errors import CallError, SettingsError
from valetkey.model import Outcome
from valetkey.serving import Serving, is_ours, listen, pages_application, serve_application
from valetkey.settings import is_loopback

EVERY_SECONDS = 1.0


class Callback:
    """Takes the port when a link is open and nobody serves it; lets go of it for `valetkey serve`."""

    def __init__(self, house: House, tasks: TaskGroup) -> None:
        self._house, self._tasks = house, tasks
        self._serving: Serving | None = None
        self._lock = anyio.Lock()

    async def run(self) -> None:
        """Look once a second until cancelled; the port passes on when its holder leaves."""
        while True:
            if await self._house.requests.any_open():
                await self._look()
            elif await self._house.leases.held_elsewhere(SERVER):
                self._leave()
            await anyio.sleep(EVERY_SECONDS)

    async def reachable(self) -> None:
        """See to it that links can be opened. Raises CallError `unavailable`, saying what is in the way."""
        if problem := await self._look():
            raise CallError(Outcome.UNAVAILABLE, problem)

    async def _look(self) -> str | None:
        """Serve the pages, or see that somebody of ours does; returns what is in the way."""
        async with self._lock:
            if await self._house.leases.held_elsewhere(SERVER):
                self._leave()
                return None
            return None if self._serving else await self._try()

    def _leave(self) -> None:
        if self._serving:
            self._serving.stop()
            self._serving = None

    async def _try(self) -> str | None:
        url = urlsplit(self._house.ground.public_url)
        if not is_loopback(url.hostname or ""):
            return (
                f"People reach this server at {self._house.ground.public_url}, and it does not run. "
                "Its operator starts it with `valetkey serve`."
            )
        port = url.port or 80
        try:
            listener = listen("127.0.0.1", port)
        except SettingsError:
            return await self._taken(port)
        self._serving = await serve_application(self._tasks, pages_application(self._house), listener)
        return None

    async def _taken(self, port: int) -> str | None:
        if await is_ours(port, self._house.ground.keys.store_id):
            return None
        return (
            f"Port {port} of this machine, where the person's pages would be, is taken by another program. "
            "Stop that program, or set another `callback_port` in valetkey.toml."
        )
