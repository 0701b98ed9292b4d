"""The example does the story's two calls, as it stands, against a real server."""

import os
import sys
from pathlib import Path

import anyio

from tests.laws.source import ROOT
from tests.support.terminal import program
from tests.support.town import PASSWORD, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import MINUTE

EXAMPLE = [sys.executable, str(ROOT / "examples" / "bare_client.py")]


def attached(here: Town, token: str) -> dict[str, str]:
    return {**os.environ, "VALETKEY_URL": here.url, "VALETKEY_TOKEN": token}


async def run(here: Town, token: str) -> tuple[str, int]:
    """Run the example while Ana answers its links; return what it printed, and how many links there were."""
    answered = 0
    async with program(EXAMPLE, attached(here, token)) as terminal:
        async for link in terminal.links():
            await here.approve(link, "ana", "ana@example.com")
            answered += 1
    assert terminal.process.returncode == 0, terminal.told
    return terminal.told, answered


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


async def test_when_the_person_says_no_nothing_is_posted(tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here, PersonWithBrowser() as browser:
            token = await here.token(await here.person("ana"))
            async with program(EXAMPLE, attached(here, token)) as terminal:
                async for link in terminal.links():
                    await here.sign_in(browser, link, "ana")
                    await browser.submit(password=PASSWORD, decision="deny")
            assert "declined" in terminal.told
            assert "Traceback" not in terminal.told
            assert here.sandbox.slack.counters.posted == []


async def test_an_ended_token_and_no_server_are_each_a_line_that_says_what_to_do(tmp_path: Path) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            token = await here.token(await here.person("ana"), lasts=MINUTE)
            here.clock.advance(MINUTE)
            ended = await anyio.run_process(EXAMPLE, env=attached(here, token), check=False)
    nobody = await anyio.run_process(EXAMPLE, env=attached(here, token), check=False)
    for refused, says in ((ended, "tokens mint"), (nobody, "valetkey serve")):
        (line,) = refused.stderr.decode().splitlines()
        assert (refused.returncode, says in line) == (1, True), line
