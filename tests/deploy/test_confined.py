"""The wheel in an environment of its own, run as the image runs it: as another account, which may write its
home and nothing else.

Bubblewrap makes the container, of the same parts of the kernel: namespaces, the process with the number 1,
no capability, a file system that is read-only but for the home.
"""

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.deploy.dockerfile import last_stage
from tests.deploy.proxies import program
from tests.laws.source import ROOT
from tests.support.desk import free_port

pytestmark = pytest.mark.bubblewrap

USER, _, GROUP = last_stage()["USER"].text.partition(":")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of the wheel are; its libraries are those that the tests have."""
    program("bwrap")
    folder = tmp_path_factory.mktemp("wheel")
    python("hatchling", "build", "-t", "wheel", "-d", folder)
    python("venv", "--without-pip", folder / "venv")
    (wheel,) = folder.glob("*.whl")
    programs = folder / "venv" / "bin"
    python("pip", "-q", "--python", programs / "python", "install", "--no-index", "--no-deps", wheel)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def python(module: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@asynccontextmanager
async def confined(home: Path, programs: Path, name: str, *arguments: str) -> AsyncIterator[Process]:
    """Run one of the programs as the image does. It is killed when the block ends before it does."""
    box = [
        *(program("bwrap"), "--unshare-all", "--share-net", "--die-with-parent", "--as-pid-1"),
        *("--uid", USER, "--gid", GROUP, "--cap-drop", "ALL"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--ro-bind", str(programs.parent), str(programs.parent), "--bind", str(home), str(home)),
        *("--clearenv", "--setenv", "PATH", os.defpath, "--setenv", "VALETKEY_HOME", str(home)),
        *("--setenv", "PYTHONDONTWRITEBYTECODE", "1", "--setenv", "PYTHONUNBUFFERED", "1"),
    ]
    async with await anyio.open_process(
        [*box, str(programs / name), *arguments], stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def said(process: Process, until: str = "\0") -> str:
    """What it printed, up to something or to its end."""
    assert process.stdout
    text = ""
    async for more in TextReceiveStream(process.stdout):
        text += more
        if until in text:
            break
    return text


def inside(box: Process) -> int:
    """The number that the confined process has out here, where bubblewrap is its only parent."""
    return int(Path(f"/proc/{box.pid}/task/{box.pid}/children").read_text())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


async def test_it_serves_and_stops_when_it_is_told_to(installed: Path, home: Path) -> None:
    port = free_port()
    with anyio.fail_after(60):
        async with confined(home, installed, "valetkey", "serve", "--port", str(port)) as server:
            await said(server, "tokens mint")
            async with httpx2.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"http://localhost:{port}/healthz")).status_code == 200
            os.kill(inside(server), signal.SIGTERM)
            assert await server.wait() == 0
    assert (home / "audit-head.json").exists(), "the head is signed at the end"


TRY = """
import os, pathlib, sys
print(os.getpid(), os.getuid(), os.getgid())
for folder in sys.argv[1:]:
    try:
        (pathlib.Path(folder) / "written").touch()
        print(folder)
    except OSError:
        pass
"""


async def test_nothing_but_the_home_can_be_written(installed: Path, home: Path) -> None:
    folders = map(str, (installed, "/var/tmp", "/etc", "/run", home))
    with anyio.fail_after(30):
        async with confined(home, installed, "python", "-c", TRY, *folders) as process:
            assert (await said(process)).splitlines() == [f"1 {USER} {GROUP}", str(home)]
