"""Local mode: the owner is made at the first start, and chooses a password at the first page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.desk import OWNER, Desk, approve, code_on, link_of, set_out, text_of
from tests.support.town import PASSWORD
from valetkey.demo.person import PersonWithBrowser

UNREAD = {"limit": 1}


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_call_completes_once_its_owner_has_chosen_a_password_and_allowed_it(
    here: Desk, mode: str, revision: str
) -> None:
    async with here.client(here.approving(), mode=mode) as agent:
        assert agent.protocol_version == revision
        assert "Ana" in text_of(await agent.call_tool("gmail.list_unread", UNREAD))
    assert here.rows("SELECT name, owner FROM people") == [(OWNER, 1)]
    assert here.rows("SELECT name FROM agents") == [("local",)]
    async with here.client(mode=mode) as agent:
        assert not (await agent.call_tool("gmail.list_unread", UNREAD)).is_error, "nothing is asked again"


async def test_after_the_first_page_they_ask_for_the_password_that_was_chosen(here: Desk) -> None:
    async with here.client() as agent:
        first = link_of(await agent.call_tool("notes.list_notes"))
        async with PersonWithBrowser() as owner:
            await owner.open(first)
            assert "/welcome" in owner.url
            await owner.submit(password=PASSWORD, code=code_on(owner))
            assert owner.url == first
        async with PersonWithBrowser() as somebody:
            await somebody.open(first)
            assert "/signin" in somebody.url
            await somebody.submit(name=OWNER, password="not the right one")
            assert "do not match" in somebody.page
        async with PersonWithBrowser() as owner:
            await set_out(owner, first)
            assert owner.url.startswith(here.sandbox.base_url)


async def test_two_first_starts_at_once_make_one_owner(here: Desk) -> None:
    async def started() -> None:
        async with here.client() as agent:
            assert (await agent.list_tools()).tools

    async with anyio.create_task_group() as clients:
        clients.start_soon(started)
        clients.start_soon(started)
    assert here.rows("SELECT name FROM people") == [(OWNER,)]
    assert here.rows("SELECT name FROM agents") == [("local",)]


@pytest.mark.parametrize(("address", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_a_port_taken_by_another_program_is_named_with_what_to_do_and_nothing_is_lost(
    here: Desk, address: str, written: str
) -> None:
    """At either address that `localhost` may be: the person's browser could come to that one."""
    async with here.client() as agent:
        async with a_stranger(address, here.port):
            refused = await agent.call_tool("notes.list_notes")
            assert refused.is_error
            assert "[unavailable] Another program" in text_of(refused)
            assert f"has taken {written}:{here.port}," in text_of(refused)
            assert "`callback_port` in valetkey.toml" in text_of(refused)
            assert (await agent.list_tools()).tools, "the pipe stays open"
        async with PersonWithBrowser() as owner:
            await approve(owner, link_of(await agent.call_tool("notes.list_notes")))
        assert not (await agent.call_tool("notes.list_notes")).is_error
    assert here.rows("SELECT state FROM access_requests") == [("met",)]


@asynccontextmanager
async def a_stranger(address: str, port: int) -> AsyncIterator[None]:
    """Another program that listens on a port, and answers nothing of ours."""
    listener = await anyio.create_tcp_listener(local_host=address, local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, _answer)
        yield
        tasks.cancel_scope.cancel()


async def _answer(stream: SocketStream) -> None:
    async with stream:
        await stream.receive()
        await stream.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
