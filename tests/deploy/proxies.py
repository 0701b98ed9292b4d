"""Caddy and nginx as an operator runs them: with the files of deploy/, on a port of loopback, with TLS.

What is changed of a file is what belongs to a machine: names, addresses, certificates, where it logs.
"""

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from tests.egress.certificates import authority
from tests.laws.source import ROOT

DEPLOY = ROOT / "deploy"
SECOND = 1_000_000_000
"""In nanoseconds, which is how Caddy counts."""


@dataclass(frozen=True)
class Front:
    """A proxy that runs. `trust` is what its clients trust; `logs` are what it wrote of requests."""

    url: str
    trust: ssl.SSLContext
    folder: Path

    def logged(self) -> str:
        """Everything that it has written so far."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


class Start(Protocol):
    """Runs a proxy in a folder, on a port, in front of servers at these addresses.

    `hasty`: it waits for one second where the file says ten or thirty.
    """

    def __call__(
        self, folder: Path, port: int, servers: Sequence[str], *, hasty: bool = False
    ) -> AbstractAsyncContextManager[Front]: ...


def program(name: str) -> str:
    """Where a program is. The test is skipped, loudly, where it is not."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        pytest.skip(f"no {name}")
    return found


@asynccontextmanager
async def caddy(
    folder: Path, port: int, servers: Sequence[str], *, hasty: bool = False
) -> AsyncIterator[Front]:
    """Run Caddy with deploy/Caddyfile. For localhost it makes a certificate by an authority of its own."""
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "VALETKEY_HOST": f"localhost:{port}",
        "VALETKEY_AT": " ".join(servers),
    }
    adapt = [program("caddy"), "adapt", "--config", str(DEPLOY / "Caddyfile"), "--validate"]
    told = await anyio.run_process(adapt, env=own)
    config = _of_this_test(json.loads(told.stdout), folder)
    if hasty:
        _hurried(config)
    (folder / "caddy.json").write_text(json.dumps(config))
    command = [program("caddy"), "run", "--config", str(folder / "caddy.json")]
    async with _running(command, folder, own, "serving initial configuration"):
        root = folder / "pki" / "authorities" / "local" / "root.crt"
        yield Front(f"https://localhost:{port}", ssl.create_default_context(cafile=root), folder)


def _of_this_test(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Nothing is taken of the machine: no other port, no place to store, no trust."""
    for server in config["apps"]["http"]["servers"].values():
        server["automatic_https"] = {"disable_redirects": True}
    config["apps"]["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    return {
        **config,
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(folder)},
    }


def _hurried(config: dict[str, Any]) -> None:
    for server in config["apps"]["http"]["servers"].values():
        assert (server["read_header_timeout"], server["read_timeout"]) == (10 * SECOND, 30 * SECOND)
        server.update(read_header_timeout=SECOND, read_timeout=SECOND)


@asynccontextmanager
async def nginx(
    folder: Path, port: int, servers: Sequence[str], *, hasty: bool = False
) -> AsyncIterator[Front]:
    """Run nginx with deploy/nginx.conf, as Debian's nginx.conf includes it."""
    trusted = authority(folder)
    trusted.server("localhost")  # leaves its certificate and key in one file
    site = _site(folder, port, servers)
    (folder / "site.conf").write_text(_replaced(site, _HURRIED) if hasty else site)
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
    command = [program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    async with _running(command, folder, {"PATH": os.environ["PATH"]}, "start worker process "):
        trust = ssl.create_default_context(cafile=trusted.bundle)
        yield Front(f"https://localhost:{port}", trust, folder)


_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr notice;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    include {folder}/site.conf;
}}
"""


_HURRIED = {
    "client_header_timeout 10s": "client_header_timeout 1s",
    "client_body_timeout 30s": "client_body_timeout 1s",
}


def _site(folder: Path, port: int, servers: Sequence[str]) -> str:
    listed = "\n".join(f"    server {server} max_fails=1 fail_timeout=5s;" for server in servers)
    changes = {
        "    server 127.0.0.1:8917 max_fails=1 fail_timeout=5s;": listed,
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "listen 80;": f"listen unix:{folder}/plain;",
        "/etc/ssl/valetkey/fullchain.pem": f"{folder}/localhost.pem",
        "/etc/ssl/valetkey/privkey.pem": f"{folder}/localhost.pem",
        "/var/log/nginx/": f"{folder}/",
        "valetkey.example.com": "localhost",
    }
    return _replaced((DEPLOY / "nginx.conf").read_text(), changes)


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for told, here in changes.items():
        assert told in text, f"deploy/nginx.conf no longer says `{told}`"
        text = text.replace(told, here)
    return text


@asynccontextmanager
async def _running(command: list[str], folder: Path, own: dict[str, str], ready: str) -> AsyncIterator[None]:
    """Run a program until the block ends, from when it says that it is ready."""
    log = folder / "said.log"
    async with (
        await anyio.open_process(
            command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process,
        anyio.create_task_group() as tasks,
    ):
        said = anyio.Event()

        async def listen() -> None:
            assert process.stderr
            async for text in TextReceiveStream(process.stderr):
                with log.open("a") as file:
                    file.write(text)
                if ready in log.read_text():
                    said.set()

        tasks.start_soon(listen)
        try:
            with anyio.fail_after(20):
                await said.wait()
            yield
        finally:
            process.terminate()
