"""Claude Code, driven without a model: in a home of its own, with a scripted Messages API on loopback."""

import json
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.clients.messages import Scripted
from tests.clients.node import Node
from tests.clients.processes import Ended, environment, run
from tests.clients.pseudo_terminal import PseudoTerminal, at_a_terminal
from tests.clients.serving import served
from valetkey.clients import known
from valetkey.serving import listen

SCRIPT = "@anthropic-ai/claude-code/cli-wrapper.cjs"
HOOK = Path(__file__).with_name("hook.py")
SERVER = "valetkey"
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_UPDATES": "1",
}


class Claude:
    """One installation with its configuration, both under `home`."""

    def __init__(self, node: Node, home: Path) -> None:
        self._program, self._home = node.command(SCRIPT), home

    async def run(self, *arguments: str, **more: str) -> Ended:
        """Run `claude` with arguments; `more` is environment."""
        return await run([*self._program, *arguments], self._environment(**more), self._home)

    @asynccontextmanager
    async def at_a_terminal(self, *arguments: str) -> AsyncIterator[PseudoTerminal]:
        """Run `claude` as somebody who sits before it."""
        env = self._environment(TERM="xterm")
        async with at_a_terminal([*self._program, *arguments], env, self._home) as terminal:
            yield terminal

    def _environment(self, **more: str) -> dict[str, str]:
        return environment(self._home, CLAUDE_CONFIG_DIR=str(self._home / "config"), **QUIET, **more)

    async def attach(self, public_url: str, token: str) -> None:
        """Add the server as `valetkey clients` says, with a token in place of its login."""
        await self.add(public_url, "--header", f"Authorization: Bearer {token}")

    async def add(self, public_url: str, *more: str) -> None:
        """Add the server, as the first line says that `valetkey clients` prints."""
        first, _ = known()["claude-code"].attached(public_url).splitlines()
        added = await self.run(*shlex.split(first)[1:], *more)
        assert added.code == 0, added.err

    async def prompt(self, model: Scripted, hook: Sequence[str] = ()) -> Ended:
        """Have the scripted model answer one prompt; `hook` is run when a link is elicited."""
        async with api(model) as base_url:
            options = ("--allowedTools", model.tool, "--settings", json.dumps(hooked(hook)))
            key = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "dummy"}
            return await self.run("-p", "Read my mail.", *options, **key)


def hooked(command: Sequence[str]) -> dict[str, object]:
    """Settings under which a command answers elicitations, if there is one."""
    if not command:
        return {}
    one = {"type": "command", "command": shlex.join(command)}
    return {"hooks": {"Elicitation": [{"matcher": SERVER, "hooks": [one]}]}}


def approval(name: str, password: str, account: str) -> list[str]:
    """The hook that is a person with a browser, who says yes to everything."""
    return [sys.executable, str(HOOK), name, password, account]


@asynccontextmanager
async def api(model: Scripted) -> AsyncIterator[str]:
    """Serve a scripted model on loopback."""
    listener = listen("127.0.0.1", 0)
    async with served(model.app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
