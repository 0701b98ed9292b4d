"""Clients as processes of their own: what they print, how they end. They reach this machine alone."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from valetkey.clients import known

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


def printed(client: str, public_url: str, token: str = "") -> list[str]:
    """The command that `valetkey clients` prints, as the shell would split it."""
    command = known()[client].attached(public_url).replace("\\\n", " ")
    return shlex.split(command.replace("$VALETKEY_TOKEN", token))


async def run(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> Ended:
    """Run a command to its end, without input."""
    with anyio.fail_after(SECONDS):
        done = await anyio.run_process(command, env=env, cwd=cwd, check=False)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
