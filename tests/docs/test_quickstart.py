"""The quickstart, typed as it stands into real terminals, with a person who opens the links."""

import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.docs.pages import page
from tests.laws.source import ROOT
from tests.support.terminal import LINK, Terminal, program
from valetkey.demo.person import PersonWithBrowser
from valetkey.serving import listen

PASSWORD = "a sentence of ana's"
BY_OTHERS = re.compile(r"^(?:make |\. \.venv|claude )")


def free_port() -> str:
    with listen("127.0.0.1", 0) as listener:
        return str(listener.getsockname()[1])


def typed() -> list[str]:
    """The shell snippets on ports that are free here, without what needs a network or another program."""
    ports = {"4101": free_port(), "8917": free_port()}
    told = [
        re.sub("4101|8917", lambda port: ports[port[0]], text)
        for text in page("docs/quickstart.md").snippets("sh")
    ]
    told = [text.replace("valetkey serve", f"valetkey serve --port {ports['8917']}") for text in told]
    return [text for text in told if not text.startswith("claude ")]


class Desk:
    """Somebody at a desk with terminals that share what was exported, and a browser."""

    def __init__(self, home: Path, browser: PersonWithBrowser) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "HOME": str(home), "PATH": path}
        self._exports = ""
        self.browser = browser

    @asynccontextmanager
    async def types(self, snippet: str) -> AsyncIterator[Terminal]:
        """Run a snippet in a terminal of its own, after all exports so far."""
        lines = [line for line in snippet.splitlines(keepends=True) if not BY_OTHERS.match(line)]
        self._exports += "".join(line for line in lines if line.startswith("export "))
        rest = "".join(line for line in lines if not line.startswith("export "))
        script = f"cd {ROOT}\nset -eu\n{self._exports}{rest}"
        async with program(["bash", "-c", script], self._environment) as terminal:
            yield terminal

    async def run(self, snippet: str) -> str:
        """Run a snippet to its end, answering the links that it prints; return what it printed."""
        async with self.types(snippet) as terminal:
            async for link in terminal.links():
                if "/connect/" in link:
                    await self._approve(link)
        assert terminal.process.returncode == 0, terminal.told
        return terminal.told

    async def join(self, link: str) -> None:
        await self.browser.open(link)
        await self.browser.submit(password=PASSWORD)

    async def _approve(self, link: str) -> None:
        await self.browser.open(link)
        await self.browser.submit(password=PASSWORD, decision="allow")
        await self.browser.submit(account="ana@example.com", decision="allow")
        await self.browser.submit(decision="yes")


async def test_the_quickstart_leads_to_a_posted_summary(tmp_path: Path) -> None:
    begin, sandbox, settings, registrations, serve, call, look = typed()
    with anyio.fail_after(100):
        async with PersonWithBrowser() as browser:
            desk = Desk(tmp_path, browser)
            await desk.run(begin)
            async with desk.types(sandbox) as providers:
                await providers.until("Ctrl-C stops it")
                await desk.run(settings)
                invitation = await desk.run(registrations)
                async with desk.types(serve) as server:
                    await server.until("To attach an agent")
                    await desk.join(at_the_port_of(serve, LINK.findall(invitation)[0]))
                    assert "Posted: 5 unread mails from Ben" in await desk.run(call)
                    told = await desk.run(look)
    assert "gmail.list_unread" in told
    assert "slack.post_message" in told
    assert "ana@example.com" in told


def at_the_port_of(serve: str, invitation: str) -> str:
    """The invitation was made for the usual port; here another one had to be free."""
    return invitation.replace(":8917/", f":{serve.split('--port ')[1].strip()}/")
