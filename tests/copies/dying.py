"""A command of ours in a process that does not come to its end: killed before one of the steps that it takes
on the disk, or a moment after it; or on a disk that takes no more than so much.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import typer

from valetkey import cli
from valetkey.copies import copying
from valetkey.store import Transaction
from valetkey.store.postgres import PostgresStore
from valetkey.store.sqlite import _InThread

COMMANDS = typer.main.get_command(cli.app)
"""Made before the fork, as each process makes them."""


def commanding(
    arguments: list[str], home: str, within: str, dies_at: int = 0, later: float = 0, room: int | None = None
) -> None:
    """`valetkey` with some arguments. It dies so many seconds after its step number `dies_at`, 0: not at all.

    A step is whatever it does with a file in the folder `within`, the beginning and end of a commit, and a
    transaction with a database, of which there are many: two rows are copied in one.
    `room` is how many bytes a file may have. The last line says how many steps there were.
    """
    os.environ.clear()
    os.environ.update(PATH=os.defpath, HOME=str(Path(home).parent), VALETKEY_HOME=home)
    sys.argv = ["valetkey", *arguments]
    os.dup2(1, 2)  # a file may be what it is not to write to
    if room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    typer.main.get_command = lambda typer_instance: COMMANDS
    steps = _Steps(dies_at, later)
    _count(within, steps.taken)
    try:
        cli.main()
    finally:
        sys.stdout.write(f"{steps.count}\n")


@dataclass(slots=True)
class _Steps:
    dies_at: int
    later: float
    count: int = 0

    def taken(self) -> None:
        self.count += 1
        if self.count == self.dies_at and not self.later:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self.dies_at:
            signal.setitimer(signal.ITIMER_REAL, self.later)  # SIGALRM, which nobody handles, ends a process


def _count(within: str, step: Callable[[], None]) -> None:
    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if any(isinstance(one, str | Path) and str(one).startswith(within) for one in arguments):
            step()

    ends = _InThread.end

    async def end(self: _InThread, how: str) -> None:
        ours = str(self._path).startswith(within)
        if ours:
            step()
        await ends(self, how)
        if ours:
            step()

    transactions = PostgresStore.transaction

    def transaction(self: PostgresStore, **how: bool) -> AbstractAsyncContextManager[Transaction]:
        step()
        return transactions(self, **how)

    for owner, name, counted in ((_InThread, "end", end), (PostgresStore, "transaction", transaction)):
        setattr(owner, name, counted)
    setattr(copying, "BATCH", 2)  # noqa: B010 - as if there were many rows
    sys.addaudithook(heard)
