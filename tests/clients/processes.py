"""Clients as processes of their own: what they print, how they end. They reach this machine alone."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

SECONDS = 60
NOWHERE = "http://127.0.0.1:9"  # the port of the discard protocol, where nobody listens


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment with nothing of whoever runs the tests in it, and no way off this machine."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "localhost,127.0.0.1",
        **more,
    }


async def run(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> Ended:
    """Run a command to its end, without input."""
    with anyio.fail_after(SECONDS):
        done = await anyio.run_process(command, env=env, cwd=cwd, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
