"""What is read from a pipe: whole lines, however they arrive, and an end to every wait."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from valetkey.server.pipe import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


async def lines(descriptor: int) -> list[str]:
    with anyio.fail_after(10):
        return [line async for line in Lines(descriptor)]


async def test_lines_come_whole_however_the_bytes_arrive(pipe: tuple[int, int]) -> None:
    text = "gr\u00fc\u00dfe\n\n\u65e5\u672c\nwithout an end".encode()

    async def written() -> None:
        for at in range(len(text)):
            os.write(pipe[1], text[at : at + 1])
            await anyio.lowlevel.checkpoint()
        os.close(pipe[1])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written)
        assert await lines(pipe[0]) == ["gr\u00fc\u00dfe", "", "\u65e5\u672c", "without an end"]


async def test_bytes_that_are_no_text_do_not_end_the_reading(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"\xff\xfe\nnext\n")
    os.close(pipe[1])
    assert await lines(pipe[0]) == ["\ufffd\ufffd", "next"]


async def test_a_line_longer_than_a_pipe_holds_arrives(pipe: tuple[int, int]) -> None:
    long = "x" * 1_000_000
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, _write, pipe[1], f"{long}\n".encode())
        assert await lines(pipe[0]) == [long]


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


async def test_a_wait_for_input_can_be_cancelled(pipe: tuple[int, int]) -> None:
    with anyio.fail_after(10), anyio.move_on_after(0) as scope:
        await lines(pipe[0])
    assert scope.cancelled_caught
    os.write(pipe[1], b"still there\n")
    os.close(pipe[1])
    assert await lines(pipe[0]) == ["still there"]


async def test_a_file_and_the_null_device_are_read_to_their_end(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_text("one\ntwo\n")
    for path, expected in ((file, ["one", "two"]), (Path(os.devnull), [])):
        descriptor = os.open(path, os.O_RDONLY)
        assert await lines(descriptor) == expected
        os.close(descriptor)


async def test_an_input_that_breaks_has_ended(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    descriptor = os.open(os.devnull, os.O_WRONLY)  # not for reading
    assert await lines(descriptor) == []
    os.close(descriptor)
