"""An agent that works at night: it exchanges standing grants and calls tools as any MCP client does.

It does what the manual tells it to: what is unavailable is tried again the next hour, and for what needs a
person it leaves off, until they have decided.
"""

from collections import Counter
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx2
import mcp_types as types
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.agents import Alone
from tests.support.night_people import Duty, Sleeper
from valetkey.model import Outcome

AT_ONCE = 4
"""People it works for side by side."""

NO_GRANT = "no grant"
"""In place of an outcome: there was nothing to exchange."""


class Acting(httpx2.Auth):
    """Shows the token with which the agent acts for one person: a new one each night."""

    token = ""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


class Pool(httpx2.AsyncBaseTransport):
    """One pool of connections for all the clients: a server lets one address have only so many."""

    def __init__(self, pool: httpx2.AsyncBaseTransport) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._pool.handle_async_request(request)


@dataclass(frozen=True, slots=True)
class Attached:
    """The agent's client for one person, which stays attached from night to night."""

    acting: Acting
    client: Client


@dataclass(slots=True)
class NightAgent:
    """`calls` and `written` are what it was told went well; `told` how else a call or an exchange ended.

    `left` is what is still to do tonight, by the person's name.
    """

    alone: Alone
    clients: dict[str, Attached] = field(default_factory=dict)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    written: list[str] = field(default_factory=list)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    left: dict[str, list[Duty]] = field(default_factory=dict)

    def begin(self, people: Sequence[Sleeper], night: int) -> None:
        """A new night: what was left of the last one is left."""
        self.left = {one.name: one.duties(night) for one in people}

    async def work(self) -> None:
        """Do what there is to do, a few people side by side; what is unavailable waits for the next hour."""
        standing, room = await self.standing(), anyio.CapacityLimiter(AT_ONCE)

        async def one(name: str) -> None:
            async with room:
                await self._work_for(name, standing.get(name))

        async with anyio.create_task_group() as tasks:
            for name in self.left:
                tasks.start_soon(one, name)
        self.left = {name: duties for name, duties in self.left.items() if duties}

    async def standing(self) -> dict[str, str]:
        """The grants it has for the night, by the person's name."""
        return {grant["person"]: grant["id"] for grant in await self.alone.grants() if grant["offline"]}

    async def token(self, grant: str) -> str:
        answer = await self.alone.exchange(grant)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    async def _work_for(self, name: str, grant: str | None) -> None:
        if grant is None:
            await self._ask_ahead(name)
            return
        attached = self.clients[name]
        attached.acting.token = await self.token(grant)
        while self.left[name] and await self._did(attached.client, name, self.left[name][0]):
            self.left[name].pop(0)

    async def _did(self, client: Client, name: str, duty: Duty) -> bool:
        outcome = _outcome(await client.call_tool(duty.tool, dict(duty.arguments)))
        if outcome == Outcome.OK:
            self.calls[name, duty.tool] += 1
            self.written += [duty.text] if duty.text else []
            return True
        self.told[name, outcome] += 1
        if outcome != Outcome.UNAVAILABLE:
            self.left[name].clear()
        return False

    async def _ask_ahead(self, name: str) -> None:
        """There is no standing grant any more: ask for a new one, and for the same one every night."""
        tools = dict.fromkeys(duty.tool for duty in self.left[name])
        answer = await self.alone.ask(name, *tools, offline=True)
        assert answer.status_code == 202, answer.text
        self.told[name, NO_GRANT] += 1
        self.left[name].clear()


def _outcome(result: types.CallToolResult) -> str:
    return str((result.meta or {})["valetkey/outcome"]) if result.is_error else Outcome.OK


@asynccontextmanager
async def on_duty(alone: Alone) -> AsyncIterator[NightAgent]:
    """The agent, attached for everybody who has given it a standing grant by now."""
    agent, error = NightAgent(alone), None
    async with httpx2.AsyncHTTPTransport() as pool, AsyncExitStack() as stack:
        for name, grant in (await agent.standing()).items():
            acting = Acting()
            acting.token = await agent.token(grant)
            http = httpx2.AsyncClient(auth=acting, timeout=30, trust_env=False, transport=Pool(pool))
            transport = streamable_http_client(
                f"{alone.url}/mcp", http_client=await stack.enter_async_context(http)
            )
            agent.clients[name] = Attached(acting, await stack.enter_async_context(Client(transport)))
        try:
            yield agent
        except Exception as raised:  # noqa: BLE001 - raised again below, without a group for each client around it
            error = raised
    if error is not None:
        raise error
