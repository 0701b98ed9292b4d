"""Both kinds of GitHub registration in the whole house: tokens that never end, and tokens whose refresh
ends the one before at once. Google's second connector beside them, which asks for its own consent.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from mcp.client.client import Client

from tests.support.town import Town, town
from valetkey.model import HOUR, Json
from valetkey.sandbox import EIGHT_HOURS

ANA = "ana@example.com"
REPOSITORIES = {"limit": 5}


@asynccontextmanager
async def an_agent_of_ana(home: Path) -> AsyncIterator[tuple[Town, Client]]:
    """Somebody who says yes to every link, and her agent."""
    with anyio.fail_after(40):
        async with town(home, clients=("github", "google")) as here:
            ana = await here.person("ana")
            yes = here.approving("ana", ANA)
            async with here.client(await here.token(ana), yes) as agent:
                yield here, agent


async def call(agent: Client, tool: str, arguments: Json) -> Json:
    result = await agent.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def test_a_token_that_never_ends_is_used_as_it_is(tmp_path: Path) -> None:
    async with an_agent_of_ana(tmp_path) as (here, agent):
        found = await call(agent, "github.list_repositories", REPOSITORIES)
        assert [repo["name"] for repo in found["items"]] == ["sandbox-team/vault", "ana/notes"]
        here.clock.advance(7 * HOUR)
        await call(agent, "github.list_repositories", REPOSITORIES)
        assert here.sandbox.github.counters.refreshes == {}
        assert len(here.links) == 1


async def test_an_ended_token_is_renewed_again_and_again_and_nobody_notices(tmp_path: Path) -> None:
    async with an_agent_of_ana(tmp_path) as (here, agent):
        here.sandbox.github.change(lifetime=3600)  # not eight hours: the grant lasts no longer than that
        await call(agent, "github.list_repositories", REPOSITORIES)
        for _ in range(3):
            here.clock.advance(2 * HOUR)
            await call(agent, "github.list_repositories", REPOSITORIES)
        seen = here.sandbox.github.counters
        assert (seen.refreshes, seen.api_refused, len(here.links)) == ({ANA: 3}, {}, 1)


async def test_calls_under_way_when_the_refresh_ends_their_token_all_succeed(tmp_path: Path) -> None:
    async with an_agent_of_ana(tmp_path) as (here, agent):
        here.sandbox.github.change(lifetime=EIGHT_HOURS)
        await call(agent, "github.list_repositories", REPOSITORIES)
        here.sandbox.github.expire(ANA)
        async with anyio.create_task_group() as calls:
            for _ in range(20):
                calls.start_soon(call, agent, "github.list_repositories", REPOSITORIES)
        assert here.sandbox.github.counters.refreshes == {ANA: 1}


async def test_a_revoked_grant_asks_the_person_again(tmp_path: Path) -> None:
    async with an_agent_of_ana(tmp_path) as (here, agent):
        here.sandbox.github.change(lifetime=EIGHT_HOURS)
        await call(agent, "github.list_repositories", REPOSITORIES)
        here.sandbox.github.revoke(ANA)
        await call(agent, "github.list_repositories", REPOSITORIES)
        assert len(here.links) == 2


async def test_mail_and_calendar_are_two_consents_at_one_provider(tmp_path: Path) -> None:
    async with an_agent_of_ana(tmp_path) as (here, agent):
        await call(agent, "gmail.list_unread", {"limit": 1})
        await call(agent, "google_calendar.list_calendars", {})
        granted = [{scope.rpartition("/")[2] for scope in g.scopes} for g in here.sandbox.google.grants(ANA)]
        assert granted == [{"gmail.readonly"}, {"calendar.calendarlist.readonly"}]
