"""The example does the story's two calls, as it stands, against a real server."""

import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import STDOUT

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.laws.source import ROOT
from tests.support.town import Town, town

EXAMPLE = ROOT / "examples" / "bare_client.py"
LINK = re.compile(r"http://\S+/connect/\S+")


async def links(process: Process, told: list[str]) -> AsyncIterator[str]:
    """Read what the example prints to its end; yield each link as it appears."""
    assert process.stdout is not None
    async for text in TextReceiveStream(process.stdout):
        told.append(text)
        for link in LINK.findall(text):
            yield link


async def run(here: Town, token: str) -> tuple[str, int]:
    """Run the example while Ana answers its links; return what it printed, and how many links there were."""
    told: list[str] = []
    answered = 0
    environment = {**os.environ, "VALETKEY_URL": here.url, "VALETKEY_TOKEN": token}
    async with await anyio.open_process(
        [sys.executable, str(EXAMPLE)], env=environment, stderr=STDOUT
    ) as process:
        async for link in links(process, told):
            await here.approve(link, "ana", "ana@example.com")
            answered += 1
    assert process.returncode == 0, "".join(told)
    return "".join(told), answered


async def test_the_bare_client_does_the_story_and_is_asked_once_for_each_account(tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            token = await here.token(await here.person("ana"))
            told, asked = await run(here, token)
            assert asked == 2
            assert "Posted: 5 unread mails from Ben: Lunch on Thursday?;" in told
            told, asked = await run(here, token)
            assert asked == 0
            assert "Posted:" in told
            assert len(here.sandbox.slack.counters.posted) == 2
