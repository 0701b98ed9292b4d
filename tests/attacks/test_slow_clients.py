"""Clients that hold sockets open and say next to nothing: closed in time, and no cost to others (X3)."""

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.scale import scaled
from tests.support.town import Town, town
from valetkey.assemble import opened
from valetkey.cli.process import room_for_sockets
from valetkey.grants import Given
from valetkey.people import Person
from valetkey.serving import Patience, listen, running

HANGING = scaled(200, 2_000)
SOON = Patience(header_seconds=0.5, body_seconds=0.5)
ATTACKER, ANOTHER = "127.0.0.2", "127.0.0.3"
"""Addresses of this machine, too, but not the one that everybody else comes from."""

pytestmark = pytest.mark.reliability


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, hold=0.02) as opened_town:
        yield opened_town


@asynccontextmanager
async def patient(here: Town, patience: Patience, hold: float = 0.02) -> AsyncIterator[Town]:
    """Serve the town's store at another address too, with this much patience."""
    listener = listen("127.0.0.1", 0)
    netloc = f"localhost:{listener.getsockname()[1]}"
    settings = here.house.ground.settings.model_copy(update={"allowed_hosts": (netloc,)})
    async with (
        opened(settings, public_url=here.url, clock=here.clock) as house,
        running(house, listener, hold=hold, patience=patience),
    ):
        yield Town(here.sandbox, house, here.clock, f"http://{netloc}")


def socket_to(there: Town, source: str = ATTACKER) -> socket.socket:
    """Open a socket to the server, from an address."""
    port = int(there.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def begun_on(there: Town, count: int, begun: bytes, source: str, stack: ExitStack) -> list[socket.socket]:
    """Begin a request on each of so many sockets. It waits for the server, so it runs in a thread."""
    sockets = [stack.enter_context(socket_to(there, source)) for _ in range(count)]
    for one in sockets:
        one.sendall(begun)
    return sockets


@asynccontextmanager
async def hanging(
    there: Town, count: int, begun: bytes, source: str = ATTACKER
) -> AsyncIterator[list[socket.socket]]:
    """So many sockets, on each of which a request is begun and not ended."""
    with ExitStack() as stack:
        yield await anyio.to_thread.run_sync(begun_on, there, count, begun, source, stack)


def the_end_of(one: socket.socket) -> bytes:
    """Read until the server closes: raises TimeoutError where it does not. Returns what it said."""
    said = b""
    with suppress(ConnectionResetError):
        while more := one.recv(4096):
            said += more
    return said


async def closed(sockets: list[socket.socket]) -> list[bytes]:
    """Wait until the server has closed each of these."""
    with anyio.fail_after(60):
        return [await anyio.to_thread.run_sync(the_end_of, one) for one in sockets]


HEADERS = b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
BEGUN = {
    "nothing": b"",
    "half a line": b"GET /mi",
    "half the headers": HEADERS,
    "half a body": HEADERS + b"Content-Length: 100\r\n\r\ngrant_type=",
    "half a chunk": HEADERS + b"Transfer-Encoding: chunked\r\n\r\n64\r\ngrant",
    "a body that nobody reads": b"POST /nowhere HTTP/1.1\r\nHost: evil\r\nContent-Length: 100\r\n\r\nx",
}


@pytest.mark.parametrize("how", BEGUN)
async def test_what_is_begun_and_not_ended_is_closed_in_time(here: Town, how: str) -> None:
    async with patient(here, SOON) as there, hanging(there, 3, BEGUN[how]) as sockets:
        await closed(sockets)


async def test_a_byte_now_and_then_buys_no_more_time(here: Town) -> None:
    begun = HEADERS + b"Content-Length: 100000\r\n\r\n"
    async with patient(here, SOON) as there, hanging(there, 1, begun) as (one,):
        with anyio.fail_after(30), suppress(OSError):
            while True:
                one.sendall(b"x")
                await anyio.sleep(0.05)  # the attack itself: a byte at a time, until it is cut off


async def test_a_request_that_follows_an_answer_has_its_own_time(here: Town) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with patient(here, SOON) as there:
        async with hanging(there, 2, whole + b"GET /hea") as sockets:
            said = await closed(sockets)
        assert all(answer.count(b"HTTP/1.1 200") == 1 for answer in said)


@pytest.mark.parametrize("how", ["nothing", "half the headers", "half a body"])
async def test_while_they_hang_everybody_else_is_served(here: Town, how: str) -> None:
    room_for_sockets()  # both ends of each are in this process
    ana = await here.person("ana")
    token = await here.connected(ana, "slack.list_channels")
    patience = Patience(600, 600, most=HANGING, most_of_address=HANGING)
    async with (
        patient(here, patience) as there,
        hanging(there, HANGING, BEGUN[how]),
        there.wire(token) as agent,
    ):
        for _ in range(5):
            assert "structuredContent" in await agent.call("slack.list_channels", {})


async def test_an_address_has_so_many_sockets_and_another_has_its_own(here: Town) -> None:
    async with (
        patient(here, Patience(600, 600, most_of_address=5)) as there,
        hanging(there, 5, b"", ATTACKER),
        hanging(there, 5, b"", ANOTHER),
        hanging(there, 3, b"", ATTACKER) as refused,
        httpx2.AsyncClient(trust_env=False) as other,
    ):
        assert all(said.startswith(b"HTTP/1.1 503 ") for said in await closed(refused))
        assert (await other.get(f"{there.url}/healthz")).status_code == 200


async def test_what_is_closed_makes_room_at_once(here: Town) -> None:
    async with patient(here, Patience(600, 600, most_of_address=5)) as there:
        for _ in range(5):
            async with hanging(
                there, 5, HEADERS + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
            ) as sockets:
                assert all(said.startswith(b"HTTP/1.1 4") for said in await closed(sockets))


async def test_a_trusted_proxy_is_not_counted(here: Town) -> None:
    patience = Patience(600, 600, most_of_address=5, proxies=["127.0.0.0/8"])
    async with patient(here, patience) as there:
        whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        async with hanging(there, 30, b""), hanging(there, 1, whole) as sockets:
            assert (await closed(sockets))[0].startswith(b"HTTP/1.1 200")


async def test_a_stream_outlives_every_patience(here: Town) -> None:
    ana = await here.person("ana")
    async with patient(here, Patience(1, 1)) as there, there.client(await here.token(ana)) as agent:
        with anyio.fail_after(30):
            async with agent.listen(tools_list_changed=True) as changes:
                for _ in range(2):  # each of these is opened later than the stream was
                    async with hanging(there, 1, b"") as sockets:
                        await closed(sockets)
                await allow(there, ana)
                async for _ in changes:
                    break


async def test_a_call_that_is_held_outlives_every_patience(here: Town) -> None:
    ana = await here.person("ana")
    async with patient(here, Patience(1, 1), hold=30) as there, there.wire(await here.token(ana)) as agent:
        asked = await agent.call("slack.list_channels", {})
        link = asked["inputRequests"]["valetkey"]["params"]["url"]
        answers: list[dict[str, object]] = []

        async def held() -> None:
            answers.append(await agent.call("slack.list_channels", {}, state=asked["requestState"]))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(held)
            for _ in range(2):
                async with hanging(there, 1, b"") as sockets:
                    await closed(sockets)
            assert not answers
            await here.approve(link, ana.name, "ana@example.com")
        assert "structuredContent" in answers[0]


async def allow(there: Town, person: Person) -> None:
    """Give a grant, of which the person's clients are told."""
    given = Given(frozenset({"gmail.list_unread"}), frozenset({"gmail.send_message"}), None)
    async with there.house.ground.store.transaction() as tx:
        agent = await there.house.agents.named(tx, "triage")
        await there.house.grants.give(tx, person.principal, agent.id, ["con_none"], given)


async def test_a_header_without_end_is_not_collected_however_fast_it_comes(here: Town) -> None:
    long, body = b"a" * 100_000, b"b" * 500_000
    endless = {
        "a value": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + long,
        "a path": b"GET /" + long,
    }
    for begun in endless.values():
        async with hanging(here, 1, begun) as (socket,):
            assert b" 431 " in await anyio.to_thread.run_sync(the_end_of, socket)
    whole = b"POST /token HTTP/1.1\r\nConnection: close\r\nContent-Length: 500000\r\n\r\n" + body
    async with hanging(here, 1, whole) as (socket,):
        assert b" 431 " not in await anyio.to_thread.run_sync(the_end_of, socket)
