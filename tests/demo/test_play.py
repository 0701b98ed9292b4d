"""The demo itself, played whole: what it tells, what it leaves behind, and what else may be decided."""

import io
import os
import re
import signal
import tempfile
import webbrowser
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest
from anyio.abc import TaskGroup
from rich.console import Console

from valetkey.demo.agent import attached
from valetkey.demo.person import PersonWithBrowser
from valetkey.demo.play import play
from valetkey.demo.stage import ANA

Answering = Callable[[str], Coroutine[Any, Any, None]]


class Screen(io.StringIO):
    """A terminal's text, and an event once something stands on it."""

    def __init__(self, awaited: str = "") -> None:
        super().__init__()
        self.awaited, self.there = awaited, anyio.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.awaited and self.awaited in self.getvalue():
            self.there.set()
        return written


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its homes, so that a test can see what is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_in(homes: Path) -> list[Path]:
    return list(homes.iterdir())


async def played(*, open_browser: bool = False) -> str:
    screen = io.StringIO()
    with anyio.fail_after(60):
        await play(Console(file=screen, width=80), open_browser=open_browser)
    return screen.getvalue()


async def test_the_story_is_told_from_the_link_to_the_refusal(homes: Path) -> None:
    told = await played()
    for sentence in (
        "a script and no model",
        "“Let triage use Gmail for you?”",
        "✓ List unread  reads",
        "✓ for 8 hours",
        "the same call returns 5 mails",
        "the same call posts to #support",
        "“This link is for somebody else”",
        "3 mails, none of Ana's",
        "✗ [not_connected]",
        "✓ whole:",
        "✓ none of them is among those bytes",
        "claude mcp add --transport http valetkey http://localhost:",
    ):
        assert sentence in told, told
    assert left_in(homes) == []


async def test_nobody_is_asked_a_second_time(homes: Path) -> None:
    again = re.split(r"^ \d ", await played(), flags=re.MULTILINE)[3]
    assert again.startswith(" The same again")
    assert "/connect/" not in again


async def test_piped_it_is_plain_and_fits_eighty_columns() -> None:
    told = await played()
    assert "\x1b" not in told
    long = [line for line in told.splitlines() if len(line) > 80]
    assert [line.partition(" --")[0] for line in long] == ["claude mcp add"]


def watching(tasks: TaskGroup, answer: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a person with a browser where this machine's own browser would open."""

    def opens(link: str) -> bool:
        anyio.from_thread.run_sync(lambda: tasks.start_soon(answer, link))
        return True

    monkeypatch.setattr(webbrowser, "open", opens)


async def test_whoever_watches_can_answer_in_their_own_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    async def allows(link: str) -> None:
        async with PersonWithBrowser() as browser:
            await browser.open(link)
            await browser.submit(name=ANA.name, password=ANA.password)
            await browser.submit(password=ANA.password, decision="allow")
            await browser.submit(account=ANA.email, decision="allow")
            await browser.submit(decision="yes")

    async with anyio.create_task_group() as tasks:
        watching(tasks, allows, monkeypatch)
        told = await played(open_browser=True)
    assert told.count("look at it in your browser") == 2
    assert f"sign in as  {ANA.name}  with the password  {ANA.password}" in told
    assert "the same call posts to #support" in told


async def test_a_no_is_told_and_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    async def denies(link: str) -> None:
        async with PersonWithBrowser() as browser:
            await browser.open(link)
            await browser.submit(name=ANA.name, password=ANA.password)
            await browser.submit(password="", decision="deny")

    async with anyio.create_task_group() as tasks:
        watching(tasks, denies, monkeypatch)
        told = await played(open_browser=True)
    assert "you decided otherwise" in told
    assert re.search(r"gmail\.list_unread\s+declined", told)
    assert "slack.post_message" not in told


async def test_what_is_kept_takes_a_client_until_a_signal_and_leaves_its_home(homes: Path) -> None:
    screen = Screen("until Ctrl-C")
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: play(Console(file=screen, width=80), keep=True))
            await screen.there.wait()
            await calls_with_the_line_of(screen.getvalue())
            os.kill(os.getpid(), signal.SIGINT)
    [home] = left_in(homes)
    assert str(home) in "".join(screen.getvalue().split())
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "store.db").exists()


async def calls_with_the_line_of(told: str) -> None:
    """Attach as the printed line would: its first call asks Ana."""
    found = re.search(r'valetkey (http://\S+)/mcp --header "Authorization: Bearer (\S+)"', told)
    assert found is not None
    links: list[str] = []

    async def cancels(_message: str, link: str) -> str:
        links.append(link)
        return "cancel"

    async with attached(found[1], found[2], cancels, bytearray()) as agent:
        answer = await agent.call("gmail.list_unread", {"limit": 1})
    assert "[not_connected]" in answer.text
    assert len(links) == 1
