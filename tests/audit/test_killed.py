"""Processes that are killed while they append: the chain stays whole, and what was acknowledged is there."""

import sys
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.laws.source import ROOT
from valetkey.audit.verify import verify
from valetkey.model import CallId
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ROUNDS, PROCESSES, ENOUGH = 3, 3, 40


async def acknowledged(process: Process) -> list[str]:
    """Kill a process in the middle of its work; return every call that it had been promised."""
    assert process.stdout is not None
    text = ""
    async for piece in TextReceiveStream(process.stdout):
        text += piece
        if text.count("\n") >= ENOUGH and process.returncode is None:
            process.kill()  # goes on reading: what was promised before the kill is in the pipe
    await process.wait()
    return text.split("\n")[:-1]


async def writers(path: Path, round_: int) -> list[str]:
    """Three processes that append to one store, each killed on its own; all that they were promised."""
    promised: list[str] = []

    async def one(number: int) -> None:
        command = [sys.executable, "-m", "tests.audit.appending", str(path), f"{round_}_{number}"]
        async with await anyio.open_process(command, cwd=ROOT, stderr=None) as process:
            promised.extend(await acknowledged(process))

    async with anyio.create_task_group() as tasks:
        for number in range(PROCESSES):
            tasks.start_soon(one, number)
    return promised


async def test_no_acknowledged_call_is_missing_after_nine_kills(
    store: SqliteStore, vault: Vault, tmp_path: Path
) -> None:
    promised: list[str] = []
    with anyio.fail_after(120):
        for round_ in range(ROUNDS):
            promised += await writers(tmp_path / "store.db", round_)
    found = await verify(store, vault.keys)
    opened = {row["call"] for row in await store.all("SELECT call FROM audit WHERE kind = 'call.opened'")}
    assert found.ok, found.findings
    assert len(promised) >= ROUNDS * PROCESSES * ENOUGH
    assert not {CallId(call) for call in promised} - opened
