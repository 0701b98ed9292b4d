"""Claude Code signs its person in by itself: known by its document, which ships with us, or registered."""

import re
from pathlib import Path

import anyio
import pytest

from tests.clients.claude import SERVER, Claude
from tests.clients.letting_in import say_yes
from tests.support.town import Town, town

pytestmark = pytest.mark.npm
CLIENT = "https://claude.ai/oauth/claude-code-client-metadata"
REGISTERING = '[clients]\ncimd = "off"'


async def log_in(here: Town, claude: Claude) -> None:
    """Add the server and log in, as a person at a terminal whose browser is on another machine."""
    await claude.add(here.url)
    async with claude.at_a_terminal("mcp", "login", SERVER, "--no-browser") as terminal:
        url = await terminal.until(rf"{re.escape(here.url)}/authorize\?[!-~]+(?=[\x07\x1b\s])")
        await terminal.until("paste the redirect URL")
        terminal.type(await say_yes(here, url, "Claude Code"))
        await terminal.until("Authenticated with")


@pytest.mark.parametrize(
    ("more", "kind"), [("", "document"), (REGISTERING, "dynamic")], ids=["known", "registering"]
)
async def test_its_own_login_is_all_it_takes(tmp_path: Path, claude: Claude, more: str, kind: str) -> None:
    with anyio.fail_after(90):
        async with town(tmp_path, more=more) as here:
            await here.person("ana")
            await log_in(here, claude)
            assert "✔ Connected" in (await claude.run("mcp", "list")).out
            (agent,) = await here.house.agents.all(here.house.ground.store)
            assert agent.kind == kind
            assert agent.name.startswith("Claude Code")
            assert (agent.id == CLIENT) is (kind == "document")
            assert (await claude.run("mcp", "logout", SERVER)).code == 0
            assert await here.house.sessions.of_actor(here.house.ground.store, agent.id) == []
