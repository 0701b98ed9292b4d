"""One person's own machine: a home beside a sandbox, and `valetkey stdio` as clients start it there.

The processes are real, and so are the pipes, the signals and the clock.
"""

import html
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from types import MappingProxyType

import anyio
import httpx2
import mcp_types as types
from anyio.abc import Process
from mcp.client.client import Client
from mcp.client.session import ElicitationFnT
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.support.town import NOTES, PASSWORD, register
from valetkey import sandbox
from valetkey.assemble import opened
from valetkey.cli.house import account
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import SystemClock
from valetkey.people import valid_name
from valetkey.sandbox import Sandbox, hosts
from valetkey.settings import FILE, load

VALETKEY = Path(sys.executable).parent / "valetkey"
ANA = "ana@example.com"
OWNER = valid_name(account())
"""The owner is named after whoever runs the tests."""

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the machine, as /proc tells it. `started`: what a client started itself."""

    pid: int
    group: int
    started: bool


@dataclass(slots=True)
class Desk:
    """A home, the port of its pages, and what clients and commands do there."""

    sandbox: Sandbox
    home: Path
    port: int

    @property
    def url(self) -> str:
        """Where the pages are while a stdio process serves them."""
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> Path:
        """What the servers wrote to stderr."""
        return self.home.parent / "stderr.txt"

    def environment(self, more: Mapping[str, str] = NOTHING) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home.parent), "VALETKEY_HOME": str(self.home)}
        return {**own, **more}

    @asynccontextmanager
    async def client(
        self,
        elicited: ElicitationFnT | None = None,
        *,
        mode: str = "auto",
        env: Mapping[str, str] = NOTHING,
        cwd: Path | None = None,
    ) -> AsyncIterator[Client]:
        """The SDK's client over stdio. Without `elicited` links come as text."""
        command = StdioServerParameters(
            command=str(VALETKEY), args=["stdio"], env=self.environment(env), cwd=cwd
        )
        with anyio.fail_after(60), self.log.open("a") as log:
            async with Client(stdio_client(command, log), elicitation_callback=elicited, mode=mode) as client:
                yield client

    @asynccontextmanager
    async def server(self, env: Mapping[str, str] = NOTHING) -> AsyncIterator[Process]:
        """`valetkey stdio` on bare pipes. It is killed when the block ends before it does."""
        command = [str(VALETKEY), "stdio"]
        with anyio.fail_after(60):
            async with await anyio.open_process(
                command, env=self.environment(env), stderr=PIPE, start_new_session=True
            ) as process:
                try:
                    yield process
                finally:
                    if process.returncode is None:
                        process.kill()

    async def run(self, *arguments: str, env: Mapping[str, str] = NOTHING) -> str:
        """Run another command to its end, and return what it printed."""
        done = await anyio.run_process([VALETKEY, *arguments], env=self.environment(env))
        return done.stdout.decode()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Look into the store."""
        with closing(sqlite3.connect(self.home / "store.db")) as connection:
            return connection.execute(sql).fetchall()

    def processes(self) -> list[Running]:
        """The stdio processes of this home that run now."""
        found = (_running(folder, self.home) for folder in Path("/proc").iterdir() if folder.name.isdigit())
        return [running for running in found if running]

    async def all_gone(self) -> None:
        """Wait until no process of this home is left."""
        await until(lambda: not self.processes())

    def kill_what_the_client_started(self) -> None:
        """As an impatient client does: SIGKILL to the group of the process that it started."""
        (started,) = [process for process in self.processes() if process.started]
        os.killpg(started.group, signal.SIGKILL)

    def approving(self, account: str = ANA) -> ElicitationFnT:
        """The owner, who opens the link that their client shows and says yes to everything."""

        async def elicited(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
            assert isinstance(params, types.ElicitRequestURLParams)
            async with PersonWithBrowser() as browser:
                await approve(browser, params.url, account)
            return types.ElicitResult(action="accept")

        return elicited


async def approve(browser: PersonWithBrowser, link: str, account: str = ANA) -> None:
    """Open a link, allow what is asked, consent at the provider, confirm the account."""
    await set_out(browser, link)
    await browser.submit(account=account, decision="allow")
    await browser.submit(decision="yes")


async def set_out(browser: PersonWithBrowser, link: str) -> None:
    """Open a link, choosing a password or signing in on the way, and allow: now stand before the provider."""
    await browser.open(link)
    if "/welcome" in browser.url:
        await browser.submit(password=PASSWORD, code=code_on(browser))
    elif "/signin" in browser.url:
        await browser.submit(name=OWNER, password=PASSWORD)
    await browser.submit(password=PASSWORD, decision="allow")


def code_on(browser: PersonWithBrowser) -> str:
    """The code in the file that the page of a newcomer names, which only its owner can read."""
    (file,) = re.findall(r"<code>(.+?)</code>", browser.page)
    return Path(html.unescape(file)).read_text()


def link_of(result: types.CallToolResult) -> str:
    """The link that came as text."""
    assert result.meta, result.content
    return str(result.meta["valetkey/connect_url"])


def text_of(result: types.CallToolResult) -> str:
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for a condition outside this process, where there is no event to wait for."""
    with anyio.fail_after(seconds):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            await anyio.sleep(0.02)


async def is_shown(link: str) -> bool:
    """Whether anybody serves the page of a link now."""
    async with PersonWithBrowser() as browser:
        try:
            await browser.open(link)
        except (OSError, httpx2.TransportError):
            return False
        return "valetkey" in browser.page.lower()


def _running(folder: Path, home: Path) -> Running | None:
    """What /proc says of a process, if it is a stdio server of this home and not a dead one."""
    try:
        command = (folder / "cmdline").read_bytes().split(b"\0")
        environment = (folder / "environ").read_bytes().split(b"\0")
        state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return None
    if b"stdio" not in command or f"VALETKEY_HOME={home}".encode() not in environment or state == "Z":
        return None
    return Running(int(folder.name), int(group), started=b"--starter" not in command)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@asynccontextmanager
async def desk(folder: Path, *, registered: bool = True) -> AsyncIterator[Desk]:
    """Settle in `folder`. Without `registered` the home is as new as a first start finds it."""
    providers = Sandbox(SystemClock())
    home, port = folder / "home", free_port()
    async with sandbox.running(providers) as base_url:
        home.mkdir(mode=0o700)
        table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts(base_url).items())
        (home / FILE).write_text(f"callback_port = {port}\n{NOTES}\n[hosts]\n{table}")
        (home / FILE).chmod(0o600)
        if registered:
            async with opened(load(home)) as house:
                await register(house, "google", "slack", "notes")
        here = Desk(providers, home, port)
        yield here
        await here.all_gone()
