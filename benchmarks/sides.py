"""Starting the sides, each in a process of its own, and pinning them where there are cores to pin to."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load import Load
from benchmarks.ours import TOKEN_FILE

_PATIENCE = 60
SERVER_CORE, OTHER_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Side:
    """A running server: where it listens, its process, the token it takes."""

    port: int
    process: psutil.Process
    token: str = "none"  # noqa: S105 - the floor takes any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def load(self, tool: str | None) -> Load:
        """A load for this side."""
        return Load(self.port, tool, self.token)

    def cpu(self) -> float:
        """Seconds of processor the server has used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


class Sides:
    """The servers of one run, each started when it is first asked for, over one API at the far end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._started: dict[tuple[str, int], Side] = {}
        self.upstream = stack.enter_context(served("upstream", OTHER_CORE))

    def both(self, count: int) -> tuple[Side, Side]:
        """The floor and ours, with `count` tools each."""
        return self._side("floor", count), self.ours(count)

    def ours(self, count: int) -> Side:
        """Our side with `count` tools."""
        home = self._folder / f"ours-{count}"
        side = self._side("ours", count, str(home))
        return Side(side.port, side.process, _token(home))

    def _side(self, name: str, count: int, *rest: str) -> Side:
        if (name, count) not in self._started:
            started = served(name, SERVER_CORE, self.upstream.url, str(count), *rest)
            self._started[name, count] = self._stack.enter_context(started)
        return self._started[name, count]


@contextmanager
def sides(folder: Path) -> Iterator[Sides]:
    """The servers of a run, until the block ends. This process stays beside them, on the other core."""
    with ExitStack() as stack:
        pin(os.getpid(), OTHER_CORE)
        yield Sides(folder, stack)


@contextmanager
def served(name: str, core: int, *rest: str) -> Iterator[Side]:
    """One server in a process of its own, on a core of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serve", name, str(port), *rest]
    process = subprocess.Popen(command)  # noqa: S603 - our own program, in words of our own
    try:
        pin(process.pid, core)
        _wait_for(port, process)
        yield Side(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, where the system can and there are two."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        with suppress(OSError):
            os.sched_setaffinity(pid, {core})


def free_port() -> int:
    """A port that no outgoing connection takes before the server does: those begin at 32768."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - it is no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("a server did not start")


def _token(home: Path) -> str:
    file, until = home / TOKEN_FILE, time.monotonic() + _PATIENCE
    while not (file.exists() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    return file.read_text()
