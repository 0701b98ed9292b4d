"""Claude Code: it connects, shows its person a link, and gives the model one that nobody was shown."""

from pathlib import Path

import anyio
import pytest

from tests.clients.claude import Claude, approval
from tests.clients.messages import Scripted
from tests.clients.proxy import buffering
from tests.support.town import PASSWORD, town

pytestmark = pytest.mark.npm
TOOL = "mcp__valetkey__gmail_list_unread"
ARGUMENTS = {"limit": 2, "from": "ben@example.com"}


async def test_it_finds_the_server_and_connects(tmp_path: Path, claude: Claude) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            await claude.attach(here.url, await here.token(await here.person("ana")))
            for command in (("list",), ("get", "valetkey")):
                assert "✔ Connected" in (await claude.run("mcp", *command)).out


async def test_the_same_call_brings_the_mail_once_ana_has_opened_the_link(
    tmp_path: Path, claude: Claude
) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            ana, model = await here.person("ana"), Scripted(TOOL, ARGUMENTS)
            await claude.attach(here.url, await here.token(ana))
            ended = await claude.prompt(model, approval("ana", PASSWORD, "ana@example.com"))
            assert ended.code == 0, ended.err
            (told,) = model.results
            assert "Lunch on Thursday?" in told
            assert await here.outcomes(ana) == ["ok"]


async def test_behind_a_proxy_that_lets_no_stream_through_it_retries_the_call_after_the_link(
    tmp_path: Path, claude: Claude
) -> None:
    """The link is error -32042 there: the first call ends with it, and a second one brings the mail."""
    with anyio.fail_after(60):
        async with town(tmp_path) as here, buffering(here.url) as proxy:
            ana, model = await here.person("ana"), Scripted(TOOL, ARGUMENTS)
            await claude.attach(proxy, await here.token(ana))
            ended = await claude.prompt(model, approval("ana", PASSWORD, "ana@example.com"))
            assert ended.code == 0, ended.err
            (told,) = model.results
            assert "Lunch on Thursday?" in told
            assert await here.outcomes(ana) == ["not_connected", "ok"]


async def test_where_nobody_can_be_shown_the_link_the_model_gets_it_as_text(
    tmp_path: Path, claude: Claude
) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            ana, model = await here.person("ana"), Scripted(TOOL, ARGUMENTS)
            await claude.attach(here.url, await here.token(ana))
            await claude.prompt(model)
            (told,) = model.results
            assert "[not_connected]" in told
            assert f"{here.url}/connect/" in told


async def test_a_token_that_is_none_is_said_to_be_refused(tmp_path: Path, claude: Claude) -> None:
    with anyio.fail_after(60):
        async with town(tmp_path) as here:
            await claude.attach(here.url, "not-a-token")
            told = await claude.run("mcp", "list")
            assert "Connected" not in told.out
            assert "valetkey" in told.out
