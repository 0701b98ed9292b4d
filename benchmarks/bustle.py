"""What goes on before a server that runs for long: calls, renewals, consents, clients that come and hang up.

Each of these is done again and again until it is over. How calls ended is counted; what must not happen is
`wrong`.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.connector import READ, WRITE
from benchmarks.load import Line, Load
from benchmarks.residents import Resident
from tests.support.town import PASSWORD
from tests.support.wire import ELICITS, Wire
from valetkey.demo.person import PersonWithBrowser
from valetkey.errors import UsageError
from valetkey.sandbox import ANA, Provider

CALLERS = 8
KINDS = ((READ, 80), (WRITE, 15), (None, 5))
"""What is called, and how often in a hundred times; None is the listing."""

BORNE = frozenset({"unavailable", "failed", "unknown", "rate_limited"})
"""How a call may end beside a provider that is not always well."""

_OUTCOME = re.compile(rb'"valetkey/outcome": ?"(\w+)"')
_CONNECTION = re.compile(r'action="(/mine/connections/[^"]+/revoke)"')


@dataclass(slots=True)
class Bustle:
    """The people before a server, and what became of their calls.

    `residents` call at `rate` a second, all together; `visitor` is the name and the agent's token of somebody
    who connects and disconnects. Of a hundred renewals the provider does not answer one.
    """

    port: int
    operator: int
    residents: list[Resident]
    visitor: tuple[str, str]
    provider: Provider
    rate: float
    chance: Random = field(default_factory=lambda: Random(22))  # noqa: S311 - what comes when, and nothing secret
    ended: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    calls: int = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Let all of it go on while the block runs."""
        works = [
            *[self._call] * CALLERS,
            self._consent,
            self._hang_up,
            self._come_and_go,
            self._look,
            self._fail,
        ]
        pauses = [*[CALLERS / self.rate] * CALLERS, 2.0, 0.2, 1.0, 5.0, 2.0]
        async with anyio.create_task_group() as tasks:
            for work, pause in zip(works, pauses, strict=True):
                tasks.start_soon(self._again_and_again, work, pause)
            yield
            tasks.cancel_scope.cancel()

    async def _again_and_again(self, work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            next_one = anyio.current_time() + pause
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on, and it is told
                self.wrong.append(f"{work.__name__}: {type(error).__name__} {error}")
            await anyio.sleep_until(max(next_one, anyio.current_time()))

    async def _call(self) -> None:
        """A client comes with a connection of its own, and makes some calls for one person."""
        line = await Line.to(self.port)
        try:
            for _ in range(20):
                await self._one(line)
                await anyio.sleep(CALLERS / self.rate)
        finally:
            await line.close()

    async def _one(self, line: Line) -> None:
        (tool,) = self.chance.choices([kind for kind, _ in KINDS], [often for _, often in KINDS])
        load = Load(self.port, tool, self.chance.choice(self.residents).token)
        head, body = await line.answer(load.request())
        self.calls += 1
        outcome = _OUTCOME.search(body)
        how = "ok" if load.expected in body else outcome[1].decode() if outcome else repr(head[:15])
        self.ended[how] += 1
        if how != "ok" and how not in BORNE:
            self.wrong.append(f"a call ended as {how}: {body[:200]!r}")

    async def _consent(self) -> None:
        """Somebody connects an account, is answered, and disconnects it."""
        name, token = self.visitor
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as http, PersonWithBrowser() as browser:
            wire = Wire(http, self.url, token, ELICITS)
            leg = await wire.call("notes.list_notes", {})
            link = leg["inputRequests"]["valetkey"]["params"]["url"]
            if not await self._approved(browser, link, name):
                return
            answer = await wire.call("notes.list_notes", {}, leg["requestState"], "accept")
            if "structuredContent" not in answer:
                self.wrong.append(f"after a consent: {answer}")
            self.calls += 2
            await browser.open(f"{self.url}/mine")
            for action in _CONNECTION.findall(browser.page):
                await browser.press(action)

    async def _approved(self, browser: PersonWithBrowser, link: str, name: str) -> bool:
        """Whether it worked out. Beside a provider that was not well just then, the next one begins anew."""
        unwell = self.provider.counters.faults.total()
        try:
            await self._approve(browser, link, name)
        except UsageError:  # the page says why, and has no more to fill in
            if self.provider.counters.faults.total() == unwell:
                raise
            return False
        return True

    async def _approve(self, browser: PersonWithBrowser, link: str, name: str) -> None:
        await browser.open(link)
        if "/signin" in browser.url:
            await browser.submit(name=name, password=PASSWORD)
        await browser.submit(password=PASSWORD, decision="allow", lasts="8 hours")
        if not browser.url.startswith(self.url):
            await browser.submit(account=ANA.email, decision="allow")
            await browser.submit(decision="yes")

    async def _hang_up(self) -> None:
        """A client that is gone in the middle of its call, or of its request."""
        request = Load(self.port, READ, self.chance.choice(self.residents).token).request()
        cut = len(request) if self.chance.random() < 0.8 else self.chance.randrange(len(request))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request[:cut])
        with anyio.move_on_after(self.chance.uniform(0, 0.01)):
            await reader.read(1)
        writer.transport.abort()

    async def _come_and_go(self) -> None:
        """A client of the era that is chosen lists the tools, and hears of changes for a while."""
        mode = self.chance.choice(("legacy", "auto"))
        headers = {"Authorization": f"Bearer {self.visitor[1]}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
            transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                await client.list_tools()
                with anyio.move_on_after(3):
                    if mode == "legacy":
                        await anyio.sleep_forever()
                    async with client.listen(tools_list_changed=True) as changes:
                        async for _ in changes:
                            break

    async def _look(self) -> None:
        """The operator's monitor comes by."""
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            for path in ("/metrics", "/readyz"):
                reply = await http.get(f"http://127.0.0.1:{self.operator}{path}")
                if reply.status_code != 200:
                    self.wrong.append(f"{path} said {reply.status_code}")

    async def _fail(self) -> None:
        """The provider misses one renewal in a hundred: it is not well for a moment, or hangs up unasked."""
        done = self.provider.counters.token_requests["refresh_token", "ok"]
        if done // 100 > self.provider.counters.faults.total():
            self.provider.faults.set("token", self.chance.choice(("unavailable", "drop_before")), 1)
