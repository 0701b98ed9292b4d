"""Node, and the clients that run on it: installed once for a lock file, outside the repository.

`package.json` beside this names the clients, each at one version. No script of a package is run.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json")
PLACE = "VALETKEY_NODE_TOOLS"
"""Names another folder than the platform's for caches."""

NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")
SECONDS = 120
NEEDED = (22, 19)  # the Inspector's


class NoClientsError(Exception):
    """The clients cannot be had here; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Node:
    """An installation: `folder` holds node_modules, `program` is node itself."""

    folder: Path
    program: str

    def command(self, script: str) -> list[str]:
        """What runs a script of a package, `PACKAGE/path.js`."""
        return [self.program, str(self.folder / "node_modules" / script)]


def installed() -> Node:
    """Install the clients unless they are there. Raises NoClientsError.

    Safe to call from several processes: one installs, the others wait.
    """
    if shutil.which("npm") is None:
        raise NoClientsError("there is no npm here")
    root = Path(os.environ.get(PLACE) or user_cache_dir("valetkey-tests"))
    folder = root / _digest()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not (folder / "ready").exists():
            _install(folder)
    return Node(folder, _program(folder))


def _digest() -> str:
    """A name for exactly these versions."""
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    """Fails once for each run of the tests, not once for each of its processes."""
    run, failed = os.environ.get("PYTEST_XDIST_TESTRUNUID", ""), folder / "failed"
    if run and failed.exists() and failed.read_text() == run:
        raise NoClientsError("npm could not install them")
    for name in FILES:
        shutil.copy(HERE / name, folder)
    try:
        subprocess.run(NPM_CI, cwd=folder, check=True, capture_output=True, timeout=SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        failed.write_text(run)
        raise NoClientsError(f"npm could not install them: {_last_line(error.stderr)}") from None
    (folder / "ready").touch()


def _last_line(output: bytes | None) -> str:
    return (output or b"no answer").decode(errors="replace").strip().splitlines()[0]


def _program(folder: Path) -> str:
    """The node of the lock file, where it has one for this machine; else this machine's own."""
    for program in sorted(folder.glob("node_modules/node-*/bin/node")):
        return str(program)
    own = shutil.which("node") or ""
    told = (
        subprocess.run([own, "--version"], check=True, capture_output=True, text=True).stdout if own else ""
    )
    version = tuple(int(part) for part in re.findall(r"\d+", told))
    if version < NEEDED:
        raise NoClientsError(f"node {'.'.join(map(str, NEEDED))} or newer is needed, not {told or 'none'}")
    return own
