"""Disconnecting, for each provider that says how: what the page promises, what was done, what is known."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pages.browser import Browser
from tests.support.town import town
from tests.web.conftest import Street
from valetkey.connections.revoked import beforehand
from valetkey.manifest import Catalog, shipped
from valetkey.model import MINUTE

PROVIDERS = ("google", "slack", "github")


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with town(tmp_path, clients=PROVIDERS) as here:
        yield Street(here, await here.person("ana"), await here.person("ben"))


async def disconnected(street: Street, browser: Browser, connector: str) -> tuple[str, str]:
    """Connect and disconnect an account; what the page said before, and after."""
    reading = _a_reading_tool(street, connector)
    connection = await street.connect(browser, await street.ask(reading))
    page = await browser.open("/mine")
    seen = await browser.send(page, to=f"/mine/connections/{connection.id}/revoke")
    return page.text, seen.text


def _a_reading_tool(street: Street, connector: str) -> str:
    tools = street.town.house.ground.catalog.connectors[connector].tools.values()
    return next(tool.name for tool in tools if tool.effect == "read")


@pytest.mark.parametrize("connector", ["gmail", "slack"])
async def test_a_provider_that_can_be_told_confirms(street: Street, anas: Browser, connector: str) -> None:
    before, after = await disconnected(street, anas, connector)
    assert "given back at the other side" in before
    assert "confirmed that its access is gone" in after
    assert "did not confirm" not in (await anas.open("/mine")).text
    assert "confirmed that the access is gone" in (await anas.open("/mine/history")).text


async def test_one_that_cannot_be_told_is_said_before_with_where_to_do_it(
    street: Street, anas: Browser
) -> None:
    before, after = await disconnected(street, anas, "github")
    where = "GitHub keeps the access until you remove it there: Settings, Applications"
    assert where in before
    assert where in after
    assert "given back at the other side" not in before
    assert "GitHub cannot be told" in (await anas.open("/mine/history")).text


async def test_one_that_does_not_answer_stays_on_the_page_until_it_does(
    street: Street, anas: Browser, bens: Browser
) -> None:
    street.town.sandbox.google.faults.set("revoke", "server_error", times=1)
    _, after = await disconnected(street, anas, "gmail")
    waiting = "Gmail did not confirm yet. It will be told again for a day"
    assert waiting in after
    assert waiting in (await anas.open("/mine")).text
    assert waiting not in (await bens.open("/mine")).text
    street.town.clock.advance(2 * MINUTE)
    await street.town.house.connections.revocation.retry()
    assert waiting not in (await anas.open("/mine")).text
    history = (await anas.open("/mine/history")).text
    assert "did not confirm yet that the access is gone" in history
    assert "Gmail confirmed that the access is gone" in history


async def test_one_that_says_no_is_said_with_what_to_do(street: Street, anas: Browser) -> None:
    connection = await street.connect(anas, await street.ask("slack.list_channels"))
    street.town.sandbox.slack.revoke()
    seen = await anas.send(await anas.open("/mine"), to=f"/mine/connections/{connection.id}/revoke")
    assert "did not confirm. Remove it there as well" in seen.text
    assert "Slack did not confirm: remove the access there" in (await anas.open("/mine/history")).text


async def test_one_whose_other_connections_would_end_is_told_with_the_last(
    street: Street, anas: Browser
) -> None:
    await street.connect(anas, await street.ask("google_calendar.list_events"))
    before, after = await disconnected(street, anas, "gmail")
    assert "with the last of this account's" in before
    assert "It is told with the last of them" in after


@pytest.mark.parametrize("name", sorted(Catalog.load([shipped()], allow_hooks=[shipped()]).connectors))
def test_every_connector_says_beforehand_what_becomes_of_its_access(name: str) -> None:
    connector = Catalog.load([shipped()], allow_hooks=[shipped()]).connectors[name]
    said = beforehand(connector)
    assert "erased here" in said
    assert "None" not in said
