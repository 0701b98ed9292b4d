"""A process of this home proves that it is one; what imitates it, in a process of its own, cannot."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from anyio.streams.text import TextReceiveStream

from tests.support.desk import free_port
from tests.support.town import Town, town
from valetkey.errors import SettingsError
from valetkey.serving import listen_at, listen_in_turn, occupied, running
from valetkey.serving.presence import ABOUT, Occupied

IMITATOR = Path(__file__).with_name("imitator.py")
NONCE = "0f" * 16


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@asynccontextmanager
async def imitator(address: str, port: int, *what: str) -> AsyncIterator[int]:
    """Another program, on a port of its own unless one is given; yields the port."""
    command = [sys.executable, str(IMITATOR), address, str(port), *what]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdout
        said = await TextReceiveStream(process.stdout).receive()
        try:
            yield int(said.split()[1])
        finally:
            process.kill()


def port_of(here: Town) -> int:
    return urlsplit(here.url).port or 0


async def test_a_server_of_this_home_is_known_and_nobody_is_nobody(here: Town) -> None:
    assert await occupied(here.house.ground, port_of(here)) == Occupied(ours=True, foreign=None)
    assert await occupied(here.house.ground, free_port()) == Occupied(ours=False, foreign=None)


async def test_another_process_of_the_home_is_ours_and_one_of_another_home_is_not(
    here: Town, tmp_path: Path
) -> None:
    async with here.another() as there:
        assert (await occupied(here.house.ground, port_of(there))).ours
    async with town(tmp_path) as elsewhere:
        port = port_of(elsewhere)
        assert await occupied(here.house.ground, port) == Occupied(ours=False, foreign=f"127.0.0.1:{port}")


@pytest.mark.parametrize(("address", "written"), [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}")])
async def test_a_program_that_answers_what_it_has_seen_is_foreign_at_either_address(
    here: Town, address: str, written: str
) -> None:
    """What is public of a home, and the proof of an earlier question, is nothing that proves anything now."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        proof = (await http.get(f"{here.url}{ABOUT}", params={"nonce": NONCE})).json()["proof"]
    known = f'{{"store": "{here.house.ground.keys.store_id}", "proof": "{proof}"}}'
    async with imitator(address, 0, known) as port:
        there = await occupied(here.house.ground, port)
    assert there == Occupied(ours=False, foreign=written.format(port))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_program_that_passes_the_question_on_to_us_is_foreign(here: Town, address: str) -> None:
    """The answer is for the address and port that we were asked at, and for no other."""
    ours = port_of(here)
    port = 0 if address == "127.0.0.1" else ours  # the same port, at the address where we do not listen here
    async with imitator(address, port, "--relay", "127.0.0.1", str(ours)) as taken:
        there = await occupied(here.house.ground, taken)
    assert there.foreign is not None
    assert there.foreign.startswith("127.0.0.1:" if address == "127.0.0.1" else "[::1]:")
    assert not there.ours_alone


async def test_a_program_that_says_nothing_is_foreign(here: Town) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener:
        port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
        assert (await occupied(here.house.ground, port)).foreign == f"127.0.0.1:{port}"


@pytest.mark.parametrize("nonce", ["", "x", "0f" * 8, "zz" * 16, "0f" * 100])
async def test_only_a_nonce_is_answered(here: Town, nonce: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        refused = await http.get(f"{here.url}{ABOUT}", params={"nonce": nonce})
    assert refused.status_code == 400
    assert "proof" not in refused.json()


async def test_localhost_is_listened_on_at_both_of_its_addresses(here: Town) -> None:
    port = free_port()
    listeners = listen_at("127.0.0.1", port)
    assert [one.getsockname()[0] for one in listeners] == ["127.0.0.1", "::1"]
    async with running(here.house, *listeners), httpx2.AsyncClient(trust_env=False) as http:
        for host in ("127.0.0.1", "[::1]"):
            assert (await http.get(f"http://{host}:{port}/healthz")).json() == {"status": "ok"}
        assert await occupied(here.house.ground, port) == Occupied(ours=True, foreign=None)


async def test_one_address_that_is_taken_is_named_and_the_other_let_go_of(here: Town) -> None:
    async with imitator("::1", 0, "x") as port, here.another() as there:
        with pytest.raises(SettingsError, match=rf"\[::1\]:{port} cannot be used"):
            listen_at("127.0.0.1", port)
        with pytest.raises(SettingsError, match=rf"\[::1\]:{port} cannot be used"):
            await listen_in_turn(there.house, "127.0.0.1", port)
    for one in listen_at("127.0.0.1", port):
        one.close()


async def test_a_second_server_of_the_home_is_told_that_one_runs(tmp_path: Path) -> None:
    async with town(tmp_path) as here, here.another() as there:
        with pytest.raises(SettingsError, match="runs already, at http://localhost"):
            await listen_in_turn(there.house, "127.0.0.1", port_of(here))
