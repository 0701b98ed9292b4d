"""The callback port: the pages, served by whichever stdio process gets it while somebody has to answer.

Pages keep all state in the store, so any process serves any link. `valetkey serve` on the same home
comes first: while it serves at the URL of our links, no stdio process takes the port.
"""

import logging
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup

from valetkey.assemble import House, pages_at
from valetkey.errors import CallError, SettingsError
from valetkey.model import MINUTE, Caller, Outcome
from valetkey.serving import Serving, listen_at, occupied, pages_application, patience_of, serve_application

EVERY_SECONDS = 1.0
LINGERS = MINUTE
"""How long the pages stay after the last link was answered: its person has the last page before them."""

_TRIES, _TRY_AGAIN_SECONDS = 4, 0.2
"""A holder that leaves may have let go of its pages and not of the port yet."""

_log = logging.getLogger(__name__)


class Callback:
    """Takes the port when a link is open and nobody serves it; lets go of it for `valetkey serve`."""

    def __init__(self, house: House, tasks: TaskGroup) -> None:
        self._house, self._tasks = house, tasks
        self._serving: Serving | None = None
        self._wanted = 0  # when somebody last had a link to open
        self._lock = anyio.Lock()

    async def run(self) -> None:
        """Look once a second until cancelled; the port passes on when its holder leaves."""
        while True:
            try:
                await self._see_to_it()
            except Exception as error:  # noqa: BLE001 - what fails now need not for ever, and the pipe is fine
                _log.warning("could not see whether pages have to be served: %s", error)
            await anyio.sleep(EVERY_SECONDS)

    async def reachable(self, caller: Caller) -> None:
        """See to it that a caller's person can open links.

        Raises CallError `unavailable`, saying what is in the way and what to do.
        """
        problem = await self._look() or await self._shut_out(caller)
        if problem:
            raise CallError(Outcome.UNAVAILABLE, problem)

    def leave(self) -> None:
        """Take no more requests; what is under way is finished by the tasks we were given."""
        if self._serving:
            self._serving.stop()
            self._serving = None

    async def _see_to_it(self) -> None:
        if await self._house.requests.any_open():
            await self._look()
        elif self._house.ground.clock.now() > self._wanted + LINGERS or await self._server_runs():
            self.leave()

    async def _server_runs(self) -> bool:
        ground = self._house.ground
        return await ground.leases.held(pages_at(ground.public_url))

    async def _look(self) -> str | None:
        """Serve the pages, or see that somebody of ours does; returns what is in the way."""
        self._wanted = self._house.ground.clock.now()
        async with self._lock:
            if await self._server_runs():
                self.leave()
                return None
            return None if self._serving else await self._take()

    async def _shut_out(self, caller: Caller) -> str | None:
        """What keeps this person out of the server's pages: there, passwords come with invitations."""
        owner = await self._house.accounts.newcomer(self._house.ground.store)
        if owner is None or owner.principal != caller.principal or not await self._server_runs():
            return None
        return (
            f"The owner of this server, `{owner.name}`, has not chosen a password yet. They run "
            f"`valetkey people invite {owner.name}` and open the link that it prints; then call again."
        )

    async def _take(self) -> str | None:
        url = urlsplit(self._house.ground.public_url)
        if url.scheme != "http":  # which only localhost may have
            return (
                f"People reach this server at {self._house.ground.public_url}, and it does not run. "
                "Its operator starts it with `valetkey serve`."
            )
        port = url.port or 80
        for _ in range(_TRIES):
            if await self._serves(port):
                return None
            there = await occupied(self._house.ground, port)
            if there.ours_alone:
                return None
            await anyio.sleep(_TRY_AGAIN_SECONDS)
        where = there.foreign or f"port {port}"
        return (
            f"Another program of this machine has taken {where}, where the person's pages would be. Stop it, "
            f"or set another `{self._setting()}` in valetkey.toml and start this again."
        )

    async def _serves(self, port: int) -> bool:
        try:
            listeners = listen_at("127.0.0.1", port)
        except SettingsError:
            return False
        pages, patience = pages_application(self._house), patience_of(self._house.ground.settings)
        self._serving = await serve_application(self._tasks, pages, *listeners, patience=patience)
        return True

    def _setting(self) -> str:
        return "public_url" if self._house.ground.settings.public_url else "callback_port"
