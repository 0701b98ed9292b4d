"""A house whose server runs as a process of its own with every logger at DEBUG, and what it left behind."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.support.clock import FakeClock
from tests.support.desk import free_port
from tests.support.overheard import Overheard
from tests.support.receiver import Receiver, receiving
from tests.support.town import UNLIMITED, Town, register
from tests.support.victim import Victim, victim
from valetkey import sandbox
from valetkey.assemble import opened
from valetkey.model import SystemClock
from valetkey.sandbox import Sandbox, hosts
from valetkey.settings import FILE, load

_VALETKEY = "tests.support.loud:valetkey"


@dataclass(slots=True)
class Loud:
    """The folder of everything, the town that uses the server, its process, and who gets its notices."""

    folder: Path
    town: Town
    heard: Overheard
    process: Victim
    receiver: Receiver
    operators: str
    """Where the operator's port is."""

    @property
    def fuse(self) -> Path:
        return self.folder / "fuse"

    @property
    def leak(self) -> Path:
        return self.folder / "leak"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log(self) -> Path:
        """What an operator reads."""
        return self.folder / "stderr.log"

    @property
    def raw(self) -> Path:
        """What was logged, before any net."""
        return self.folder / "raw.log"

    @property
    def cores(self) -> Path:
        """The folder the processes run in, where their core files would be."""
        return self.folder / "cores"

    async def command(self, *arguments: str, line: str = "", ends: int | None = 0, shown: bool = True) -> str:
        """Run a command on the same home, loudly too; its log joins the server's. Returns what it printed.

        `line` is what is typed; not `shown`: what it prints is for one reader, and is a secret.
        """
        async with self.started(*arguments) as command:
            if line:
                await command.tell(line)
            printed = "".join(await command.gone())
        assert ends in {None, command.exit}, printed + self.log.read_text()[-2_000:]
        if shown:
            self.heard.shown.append(printed.encode())
        return printed

    def started(self, *arguments: str, **environment: str) -> AbstractAsyncContextManager[Victim]:
        """Start a command that somebody talks to."""
        given = {"folder": str(self.folder), "arguments": [*arguments], **environment}
        return victim(_VALETKEY, log=self.log, **given)

    def left(self) -> list[Path]:
        """Every file that the server and the commands wrote, but the key."""
        return [file for file in self.folder.rglob("*") if file.is_file() and file != self.home / "key"]

    async def fall(self) -> None:
        """End as a process does that breaks: with a core file, where one may be written."""
        self.process.send(signal.SIGABRT)
        self.heard.shown += [line.encode() for line in await self.process.gone()]


@asynccontextmanager
async def loud(
    folder: Path, heard: Overheard, more: str = "", clients: Sequence[str] = ("notes", "google")
) -> AsyncIterator[Loud]:
    """Serve a new home in `folder`. `more` are settings of it."""
    providers, port, operators = Sandbox(SystemClock()), free_port(), free_port()
    url = f"http://localhost:{port}"
    heard.listen_at(url)
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(1_800))
        base_url = await stack.enter_async_context(sandbox.running(providers))
        receiver = await stack.enter_async_context(receiving())
        _settle(folder, base_url, f"{more}\n{receiver.settings}\n{_watched(operators)}", receiver.origins)
        house = await stack.enter_async_context(opened(load(folder / "home"), public_url=url))
        await register(house, *clients)
        serve = {"folder": str(folder), "arguments": ["serve", "--port", str(port)]}
        process = await stack.enter_async_context(victim(_VALETKEY, log=folder / "stderr.log", **serve))
        while "Ctrl-C" not in (line := await process.heard() or ""):
            assert line, (folder / "stderr.log").read_text()
        town = Town(providers, house, _TownsClock(), url)
        yield Loud(folder, town, heard, process, receiver, f"http://127.0.0.1:{operators}")


def _watched(port: int) -> str:
    logs = '[logs]\nformat = "json"\nlevel = "debug"'
    return f'{logs}\n[operator]\nlisten = "127.0.0.1:{port}"'


def _settle(folder: Path, base_url: str, more: str, origins: dict[str, str]) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    (folder / "cores").mkdir()
    targets = {**hosts(base_url), **origins}
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in targets.items())
    (home / FILE).write_text(f"{more}\n{UNLIMITED}\n[hosts]\n{table}")
    (home / FILE).chmod(0o600)


class _TownsClock(FakeClock):
    """The machine's clock where a town has one to turn: nobody can turn this one."""

    def now(self) -> int:
        return SystemClock().now()

    def advance(self, milliseconds: int) -> None:
        raise NotImplementedError(milliseconds)
