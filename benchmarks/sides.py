"""Starting the sides, each in a process of its own, and pinning them where there are cores to pin to."""

import asyncio
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

from benchmarks.load import Load, run
from benchmarks.ours import TOKEN_FILE

_PATIENCE = 60
_SERVER_CORE, _OTHER_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Side:
    """A running server: where it listens, its process, the token it takes."""

    name: str
    port: int
    process: psutil.Process
    token: str = "none"  # noqa: S105 - the floor takes any

    def load(self, method: str) -> Load:
        """A load for this side."""
        return Load(self.port, method, self.token)

    def cpu(self) -> float:
        """Seconds of processor the server has used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@contextmanager
def both(home: Path, count: int) -> Iterator[tuple[Side, Side]]:
    """The floor and ours over one upstream, with `count` tools each."""
    with ExitStack() as stack:
        far = stack.enter_context(_served("upstream", _OTHER_CORE))
        url = f"http://127.0.0.1:{far.port}"
        floor = stack.enter_context(_served("floor", _SERVER_CORE, url, str(count)))
        ours = stack.enter_context(_served("ours", _SERVER_CORE, url, str(count), str(home)))
        pin(os.getpid(), _OTHER_CORE)
        yield floor, Side(ours.name, ours.port, ours.process, _token(home, ours))


@contextmanager
def ours_twice(folder: Path, few: int, many: int) -> Iterator[tuple[Side, Side]]:
    """Our side with few tools and with many, over one upstream."""
    with ExitStack() as stack:
        far = stack.enter_context(_served("upstream", _OTHER_CORE))
        pin(os.getpid(), _OTHER_CORE)
        url, sides = f"http://127.0.0.1:{far.port}", list[Side]()
        for count in (few, many):
            home = folder / str(count)
            ours = stack.enter_context(_served("ours", _SERVER_CORE, url, str(count), str(home)))
            sides.append(Side(ours.name, ours.port, ours.process, _token(home, ours)))
        yield sides[0], sides[1]


@contextmanager
def _served(name: str, core: int, *rest: str) -> Iterator[Side]:
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.serve", name, str(port), *rest]
    process = subprocess.Popen(command)  # noqa: S603 - our own program, in words of our own
    try:
        pin(process.pid, core)
        _wait_for(port, process)
        yield Side(name, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, where the system can and there are two."""
    if (
        hasattr(os, "sched_setaffinity")
        and core in os.sched_getaffinity(0) | {core}
        and (os.cpu_count() or 1) > 1
    ):
        with suppress(OSError):
            os.sched_setaffinity(pid, {core})


def _free_port() -> int:
    """A port that no outgoing connection takes before the server does: those begin at 32768."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - it is no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("a server did not start")


def _token(home: Path, ours: Side) -> str:
    file, until = home / TOKEN_FILE, time.monotonic() + _PATIENCE
    while not (file.exists() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    return file.read_text()


def warm(side: Side, method: str, seconds: float) -> None:
    """Let a side compile and connect what it needs, unmeasured."""
    asyncio.run(run(side.load(method), 16, seconds))
