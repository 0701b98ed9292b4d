"""The official runner's scenarios for authorization servers, before ours, with Ana at the browser."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio import open_process
from anyio.streams.text import TextReceiveStream

from tests.clients.letting_in import come_back, say_yes
from tests.clients.node import Node
from tests.clients.processes import environment
from tests.support.town import Town, town

pytestmark = pytest.mark.npm
RUNNER = "conformance-next/dist/index.js"
CHECKS = {"authorization-server-metadata", "authorization-server-metadata-cimd", "authorization-code-grant"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def registered(here: Town) -> str:
    async with httpx2.AsyncClient(base_url=here.url, trust_env=False) as http:
        body = {"redirect_uris": ["http://127.0.0.1/callback"], "client_name": "Conformance"}
        return str((await http.post("/register", json=body)).json()["client_id"])


def checked(out: Path) -> Iterator[tuple[str, str]]:
    for written in out.rglob("checks.json"):
        yield from ((one["id"], one["status"]) for one in json.loads(written.read_text()))


async def test_our_authorization_server_passes_all_of_them(tmp_path: Path, node: Node) -> None:
    with anyio.fail_after(90):
        async with town(tmp_path) as here:
            await here.person("ana")
            about = [
                "--url",
                here.url,
                "--resource",
                f"{here.url}/mcp",
                "--client-id",
                await registered(here),
            ]
            more = ["-p", str(free_port()), "-o", str(tmp_path / "out")]
            command = [*node.command(RUNNER), "authorization", *about, *more]
            async with await open_process(
                command, env=environment(tmp_path / "home"), cwd=tmp_path
            ) as runner:
                assert runner.stdout
                said, asked = "", None
                async for text in TextReceiveStream(runner.stdout):
                    said += text
                    if not asked and (
                        asked := re.search(rf"{re.escape(here.url)}/authorize\?\S+(?=\s)", said)
                    ):
                        await come_back(await say_yes(here, asked[0], "Conformance"))
            assert dict(checked(tmp_path / "out")) == dict.fromkeys(CHECKS, "SUCCESS"), said
