"""What is read from a pipe: whole lines, however they arrive, and an end to every wait."""

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import anyio
import pytest

from valetkey.server.pipe import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Both ends, as files: each closes its descriptor once, and never what has its number afterwards."""
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as ours, FileIO(writing, "wb") as theirs:
        yield ours, theirs


async def lines(descriptor: int) -> list[str]:
    with anyio.fail_after(10):
        return [line async for line in Lines(descriptor)]


async def test_lines_come_whole_however_the_bytes_arrive(pipe: tuple[FileIO, FileIO]) -> None:
    text = "gr\u00fc\u00dfe\n\n\u65e5\u672c\nwithout an end".encode()

    async def written() -> None:
        for at in range(len(text)):
            pipe[1].write(text[at : at + 1])
            await anyio.lowlevel.checkpoint()
        pipe[1].close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(written)
        assert await lines(pipe[0].fileno()) == ["gr\u00fc\u00dfe", "", "\u65e5\u672c", "without an end"]


async def test_bytes_that_are_no_text_do_not_end_the_reading(pipe: tuple[FileIO, FileIO]) -> None:
    pipe[1].write(b"\xff\xfe\nnext\n")
    pipe[1].close()
    assert await lines(pipe[0].fileno()) == ["\ufffd\ufffd", "next"]


async def test_a_line_longer_than_a_pipe_holds_arrives(pipe: tuple[FileIO, FileIO]) -> None:
    long = "x" * 1_000_000
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, _write, pipe[1], f"{long}\n".encode())
        assert await lines(pipe[0].fileno()) == [long]


def _write(pipe: FileIO, data: bytes) -> None:
    with pipe:
        assert pipe.write(data) == len(data)


async def test_a_wait_for_input_can_be_cancelled(pipe: tuple[FileIO, FileIO]) -> None:
    with anyio.fail_after(10), anyio.move_on_after(0) as scope:
        await lines(pipe[0].fileno())
    assert scope.cancelled_caught
    pipe[1].write(b"still there\n")
    pipe[1].close()
    assert await lines(pipe[0].fileno()) == ["still there"]


async def test_a_file_and_the_null_device_are_read_to_their_end(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_text("one\ntwo\n")
    for path, expected in ((file, ["one", "two"]), (Path(os.devnull), [])):
        descriptor = os.open(path, os.O_RDONLY)
        assert await lines(descriptor) == expected
        os.close(descriptor)


async def test_an_input_that_breaks_has_ended(pipe: tuple[FileIO, FileIO]) -> None:
    pipe[0].close()
    descriptor = os.open(os.devnull, os.O_WRONLY)  # not for reading
    assert await lines(descriptor) == []
    os.close(descriptor)
