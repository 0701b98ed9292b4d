"""Several stdio processes and `valetkey serve` on one home: whoever has the port answers every link."""

import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.desk import (
    OWNER,
    VALETKEY,
    Desk,
    approve,
    code_on,
    desk,
    free_port,
    is_shown,
    link_of,
    text_of,
    until,
)
from tests.support.terminal import Terminal, program
from tests.support.town import PASSWORD
from valetkey.demo.person import PersonWithBrowser

SLACK: tuple[str, dict[str, object]] = ("slack.list_channels", {})
UNREAD: tuple[str, dict[str, object]] = ("gmail.list_unread", {"limit": 1})


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as settled:
        yield settled


@asynccontextmanager
async def serve(here: Desk, port: int) -> AsyncIterator[Terminal]:
    """`valetkey serve` on the same home; it has said that it serves when the block begins."""
    async with program([str(VALETKEY), "serve", "--port", str(port)], here.environment()) as terminal:
        with anyio.fail_after(30):
            await terminal.until("Valetkey serves")
        yield terminal
        terminal.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(30):
            assert await terminal.process.wait() == 0


async def is_endpoint(port: int) -> bool:
    """Whether `serve` is what listens on a port: over stdio there are only pages there."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        return (await http.post(f"http://localhost:{port}/mcp")).status_code == 401


async def test_whoever_holds_the_port_answers_all_links_and_the_next_takes_it_at_once(here: Desk) -> None:
    async with here.client() as other:
        async with here.client() as holder:
            held = link_of(await holder.call_tool(*UNREAD))
            link = link_of(await other.call_tool(*SLACK))
            assert link.startswith(f"{here.url}/connect/")
            async with PersonWithBrowser() as owner:
                await approve(owner, link)
            assert not (await other.call_tool(*SLACK)).is_error
        await until(lambda: is_shown(held), seconds=5)
        async with PersonWithBrowser() as owner:
            await approve(owner, held)
        assert not (await other.call_tool(*UNREAD)).is_error


async def test_a_person_whose_server_stops_under_them_goes_on_at_the_next(here: Desk) -> None:
    async with here.client() as other, PersonWithBrowser() as owner:
        async with here.client() as holder:
            link = link_of(await holder.call_tool(*UNREAD))
            await owner.open(link)
            await owner.submit(password=PASSWORD, code=code_on(owner))
        await until(lambda: is_shown(link), seconds=5)
        await owner.submit(
            password=PASSWORD, decision="allow"
        )  # the form of the page that stood there before
        await owner.submit(account="ana@example.com", decision="allow")
        await owner.submit(decision="yes")
        assert not (await other.call_tool(*UNREAD)).is_error


async def test_serve_takes_the_port_over_and_gives_it_back(here: Desk) -> None:
    async with here.client() as agent:
        link = link_of(await agent.call_tool(*UNREAD))
        assert not await is_endpoint(here.port)
        async with serve(here, here.port) as server:
            assert f"valetkey people invite {OWNER}" in await server.until("tokens mint")
            assert await is_endpoint(here.port)
            assert await is_shown(link)
            refused = await agent.call_tool(*UNREAD)
            assert f"`valetkey people invite {OWNER}`" in text_of(refused), (
                "there, /welcome is not for anyone"
            )
        await until(lambda: is_shown(link), seconds=5)
        async with PersonWithBrowser() as owner:
            await approve(owner, link)
        assert not (await agent.call_tool(*UNREAD)).is_error


async def test_where_serve_runs_the_links_are_its_own_and_no_port_is_taken(here: Desk) -> None:
    port = free_port()
    async with serve(here, port) as server:
        await server.until("tokens mint")
        (invitation,) = re.findall(r"http://\S+/join/\S+", server.told)
        async with PersonWithBrowser() as owner:
            await owner.open(invitation)
            await owner.submit(password=PASSWORD)
        async with here.client() as agent:
            link = link_of(await agent.call_tool(*UNREAD))
            assert link.startswith(f"http://localhost:{port}/connect/")
            async with PersonWithBrowser() as owner:
                await approve(owner, link)
            assert not (await agent.call_tool(*UNREAD)).is_error
        assert not await is_shown(f"{here.url}/")


async def test_a_server_on_another_port_leaves_the_links_that_are_out_to_those_who_gave_them(
    here: Desk,
) -> None:
    async with here.client() as agent:
        link = link_of(await agent.call_tool(*UNREAD))
        async with serve(here, free_port()):
            async with PersonWithBrowser() as owner:
                await approve(owner, link)
            assert not (await agent.call_tool(*UNREAD)).is_error
