"""A root key that a server hands out: to its own account, whole or not at all, for as long as it runs."""

import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from valetkey.vault.sources.handed import NAME, hand_out, handed

SECRET = bytes(range(32))


@asynccontextmanager
async def handing_out(home: Path, secret: bytes = SECRET) -> AsyncIterator[None]:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hand_out, home, secret)
            while not (home / NAME).exists():  # noqa: ASYNC110 - the file is the event
                await anyio.sleep(0.01)
            yield
            tasks.cancel_scope.cancel()


async def test_it_is_handed_to_this_account_while_the_server_runs(tmp_path: Path) -> None:
    assert await handed(tmp_path) is None
    async with handing_out(tmp_path):
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
        assert [await handed(tmp_path) for _ in range(3)] == [SECRET] * 3
    assert await handed(tmp_path) is None
    assert not (tmp_path / NAME).exists()


async def test_the_socket_of_a_server_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    killed = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
    await anyio.run_process([sys.executable, "-c", killed, str(tmp_path / NAME)])
    assert (tmp_path / NAME).exists()
    assert await handed(tmp_path) is None
    async with handing_out(tmp_path):
        while await handed(tmp_path) != SECRET:  # noqa: ASYNC110 - until it is replaced
            await anyio.sleep(0.01)


async def test_what_is_not_32_bytes_is_nothing(tmp_path: Path) -> None:
    for wrong in (SECRET[:31], SECRET + b"!"):
        async with handing_out(tmp_path, wrong):
            assert await handed(tmp_path) is None


async def test_one_that_asks_and_goes_away_harms_nobody(tmp_path: Path) -> None:
    async with handing_out(tmp_path):
        for _ in range(20):
            stream = await anyio.connect_unix(tmp_path / NAME)
            await stream.aclose()
        assert await handed(tmp_path) == SECRET


def open_to_all(home: Path) -> None:
    home.chmod(0o711)
    (home / NAME).chmod(0o666)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two accounts")
async def test_another_account_gets_nothing_even_where_the_file_lets_it_in(tmp_path: Path) -> None:
    ask = f"""
import os, socket
os.setgid(65534), os.setuid(65534)
one = socket.socket(socket.AF_UNIX)
one.connect("{NAME}")
print(len(one.recv(100)))
"""
    async with handing_out(tmp_path):
        open_to_all(tmp_path)
        asked = await anyio.run_process([sys.executable, "-c", ask], cwd=tmp_path, stderr=subprocess.STDOUT)
    assert asked.stdout == b"0\n"
