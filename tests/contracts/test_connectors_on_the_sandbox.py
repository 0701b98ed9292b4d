"""Every tool of the shipped manifests, walked against the sandbox through the real egress.

The token holds what the house would ask for, and nothing else: so the scopes of a manifest are enough, and
for most tools needed. Each tool must be named in `WALKS` with arguments that do something at the sandbox.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.support.clock import START, FakeClock
from valetkey.calls.run import run
from valetkey.egress import Credential, Egress, Incoming, Outgoing, Rules, Upstream
from valetkey.errors import CallError
from valetkey.manifest import Catalog, Connector, Tool, shipped, whoami
from valetkey.manifest.requests import Request
from valetkey.model import DAY, Json, Secret
from valetkey.sandbox import ANA, Sandbox, hosts, running
from valetkey.sandbox.calendars import TEAM, rfc3339
from valetkey.sandbox.forge import FILES, blob_id

CATALOG = Catalog.load([shipped()])
TOOLS = {tool.name: tool for connector in CATALOG.connectors.values() for tool in connector.tools.values()}

TODAY, NEXT_WEEK = rfc3339(START), rfc3339(START + 7 * DAY)
VAULT = {"owner": "sandbox-team", "repo": "vault"}
LETTER = {"to": "ben@example.com", "subject": "Lunch", "text": "Noodles it is."}
A_MAIL = "18a0000000000001"
RELEASE_NOTES, DENTIST = "sb00000001", "sb00000002"
TALK = {"channel": "C0RANDOM03"}

WALKS: dict[str, Json] = {
    "github.list_repositories": {},
    "github.list_files": VAULT,
    "github.read_file": VAULT | {"id": blob_id(FILES["docs/keys.md"])},
    "github.search_issues": {"query": "is:open is:issue repo:sandbox-team/vault"},
    "github.list_issues": VAULT | {"label": "bug"},
    "github.get_issue": VAULT | {"number": 1},
    "github.create_issue": VAULT | {"title": "Alarm", "text": "It rings.", "labels": ["bug"]},
    "github.update_issue": VAULT | {"number": 2, "state": "closed", "reason": "completed"},
    "github.comment_on_issue": VAULT | {"number": 1, "text": "Gone since Tuesday."},
    "github.list_pull_requests": VAULT,
    "github.get_pull_request": VAULT | {"number": 3},
    "github.list_notifications": {"limit": 2},
    "gmail.list_unread": {"limit": 2},
    "gmail.search_messages": {"query": "from:ben subject:lunch"},
    "gmail.get_message": {"id": A_MAIL},
    "gmail.get_thread": {"id": A_MAIL},
    "gmail.list_labels": {},
    "gmail.change_labels": {"id": A_MAIL, "add": ["STARRED"], "remove": ["INBOX"]},
    "gmail.trash_message": {"id": A_MAIL},
    "gmail.untrash_message": {"id": A_MAIL},
    "gmail.create_draft": LETTER,
    "gmail.send_message": LETTER,
    "google_calendar.list_calendars": {},
    "google_calendar.list_events": {"after": TODAY, "before": NEXT_WEEK, "limit": 2},
    "google_calendar.search_events": {"words": "lunch ben", "after": TODAY},
    "google_calendar.get_event": {"event": RELEASE_NOTES},
    "google_calendar.find_busy_times": {
        "calendars": ["primary", "ben@example.com", "nobody@example.com"],
        "after": TODAY,
        "before": NEXT_WEEK,
    },
    "google_calendar.create_event": {
        "summary": "Noodles",
        "start": TODAY,
        "end": NEXT_WEEK,
        "time_zone": "Europe/Lisbon",
        "guests": ["ben@example.com"],
    },
    "google_calendar.quick_add": {"calendar": TEAM, "text": "Noodles on Friday"},
    "google_calendar.update_event": {"event": DENTIST, "location": "Rua do Ouro 3"},
    "google_calendar.respond_to_event": {"event": RELEASE_NOTES, "answer": "accepted"},
    "google_calendar.delete_event": {"event": DENTIST},
    "slack.post_message": TALK | {"text": "Noodles!"},
    "slack.list_channels": {},
    "slack.search_messages": {"query": "noodles"},
    "slack.list_messages": TALK | {"limit": 1},
    "slack.list_replies": TALK | {"thread_ts": "ANA"},
    "slack.update_message": TALK | {"ts": "ANA", "text": "Soup, then."},
    "slack.delete_message": TALK | {"ts": "ANA"},
    "slack.add_reaction": TALK | {"ts": "ANA", "emoji": "ramen"},
    "slack.list_users": {"limit": 2},
    "slack.get_user": {"user": "U0BEN00002"},
}
"""Arguments by tool; `ANA` stands in for the ts of what Ana said in the channel."""

REFUSED = {"github": {"not_found", "insufficient_scope"}}
"""How a provider refuses a token without the scope, where it does not say so."""

OPEN_TO_ALL = {"github.search_issues"}
"""Tools that find less without their scope, and are not refused."""


@pytest.fixture(scope="module")
async def served(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(FakeClock())
    async with running(sandbox):
        yield sandbox


class Fixed:
    """A source of one token, for the connector's origins."""

    def __init__(self, token: str, origins: frozenset[str]) -> None:
        self.credential = Credential({"Authorization": Secret(f"Bearer {token}")}, origins, 1)

    async def current(self) -> Credential:
        return self.credential

    async def renewed(self, refused: Credential) -> None:
        return None


@asynccontextmanager
async def walked(sandbox: Sandbox, connector: Connector, scopes: frozenset[str]) -> AsyncIterator[Upstream]:
    """Consent to `scopes` as Ana, and yield the way to the connector's API."""
    sandbox.reset()
    provider = sandbox.providers[connector.provider]
    client, uri = provider.kind.client.id, "http://localhost:8917/callback/x"
    code = provider.ledger.consent(client, ANA.email, scopes, uri, None, offline=True)
    token = provider.ledger.redeem(client, code, uri, None).access
    async with Egress(Rules(hosts=hosts(sandbox.base_url))) as egress:
        with anyio.fail_after(20):
            yield egress.to(connector.origins, Fixed(token, connector.origins))


def arguments(sandbox: Sandbox, tool: Tool) -> dict[str, Any]:
    channel = sandbox.workspace.find(TALK["channel"])
    assert channel is not None
    said = next(one.ts for one in channel.said if one.person == ANA)
    walk = {name: said if value == "ANA" else value for name, value in WALKS[tool.name].items()}
    return tool.check(walk)


def test_no_walk_is_left_over() -> None:
    assert sorted(WALKS) == sorted(TOOLS)


@pytest.mark.parametrize("name", sorted(TOOLS))
async def test_a_tool_works_with_the_scopes_it_asks_for(served: Sandbox, name: str) -> None:
    tool = TOOLS[name]
    async with walked(served, tool.connector, tool.connector.to_ask(tool.scopes)) as upstream:
        result = await run(tool, arguments(served, tool), upstream)
        assert result.get("items", result), "nothing came back"
        assert served.providers[tool.connector.provider].counters.api_calls[ANA.email] >= 1


@pytest.mark.parametrize("name", sorted(TOOLS.keys() - OPEN_TO_ALL))
async def test_a_tool_is_refused_without_its_scopes(served: Sandbox, name: str) -> None:
    tool = TOOLS[name]
    async with walked(served, tool.connector, frozenset({"none"})) as upstream:
        with pytest.raises(CallError) as refused:
            await run(tool, arguments(served, tool), upstream)
    assert refused.value.outcome in REFUSED.get(tool.connector.name, {"insufficient_scope"})


@pytest.mark.parametrize("name", sorted(TOOLS))
async def test_the_scopes_of_a_tool_let_whoami_name_the_account(served: Sandbox, name: str) -> None:
    connector = TOOLS[name].connector
    async with walked(served, connector, connector.to_ask(TOOLS[name].scopes)) as upstream:

        async def send(request: Request) -> Incoming:
            return await upstream.send(Outgoing(*request))

        account = await whoami(connector, send)
    assert account is not None
    assert "ana" in account.label


PAGED = sorted(name for name, tool in TOOLS.items() if tool.pager)


@pytest.mark.parametrize("name", PAGED)
async def test_a_list_goes_on_from_its_cursor_and_ends(served: Sandbox, name: str) -> None:
    tool = TOOLS[name]
    async with walked(served, tool.connector, tool.connector.to_ask(tool.scopes)) as upstream:
        one = {**arguments(served, tool), "limit": 1}
        pages = [await run(tool, one, upstream)]
        while cursor := pages[-1]["next_cursor"]:
            pages.append(await run(tool, one | {"cursor": cursor}, upstream))
            assert len(pages) < 30, "the list has no end"
        whole = await run(tool, arguments(served, tool) | {"limit": 50}, upstream)
    assert [item for page in pages for item in page["items"]] == whole["items"]


async def test_what_is_thrown_away_can_be_taken_back(served: Sandbox) -> None:
    trash, untrash = TOOLS["gmail.trash_message"], TOOLS["gmail.untrash_message"]
    async with walked(served, trash.connector, trash.scopes) as upstream:
        assert "TRASH" in (await run(trash, {"id": A_MAIL}, upstream))["labels"]
        assert "TRASH" not in (await run(untrash, {"id": A_MAIL}, upstream))["labels"]


async def test_tools_that_destroy_are_called_so() -> None:
    destroying = {name for name, tool in TOOLS.items() if tool.effect == "destroy"}
    assert destroying == {"gmail.trash_message", "google_calendar.delete_event", "slack.delete_message"}
