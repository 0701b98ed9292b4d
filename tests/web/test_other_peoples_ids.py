"""Ben with every id of Ana's, on every page of his own: the answer is that of an id nobody has (T1)."""

import re

import pytest

from tests.pages.browser import Browser, Seen
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.pages.door import Door
from valetkey.serving.application import pages_application

POSTS = {
    "/mine/connections/{id}/revoke": "connection",
    "/mine/connections/{id}/reconnect": "connection",
    "/mine/grants/{id}/narrow": "grant",
    "/mine/grants/{id}/extend": "grant",
    "/mine/grants/{id}/revoke": "grant",
    "/mine/agents/stop": "agent",
    "/mine/sessions": "session",
}
GETS = {
    "/mine/grants/{id}": "grant",
    "/mine/history?agent={id}": "agent",
    "/mine/history?before={id}": "call",
    "/mine/history?ended={id}": "call",
}


@pytest.fixture
async def hers(street: Street, anas: Browser) -> dict[str, str]:
    """What is Ana's, by kind."""
    connection = await street.connect(anas, await street.ask())
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    async with street.town.client(await street.town.token(street.ana)) as agent:
        await agent.call_tool("gmail.list_unread", {})
    calls = [one.id for one in await street.town.records(street.ana) if one.kind == "call"]
    sessions = await street.town.house.sessions.of(street.town.house.ground.store, street.ana.principal)
    return {
        "connection": connection.id,
        "grant": grant.id,
        "agent": grant.actor,
        "call": calls[-1],
        "session": sessions[0].id,
    }


async def _sent(browser: Browser, path: str, one: str) -> Seen:
    stamp = (await browser.open("/mine")).sheet("/signout").fields
    fields = [*stamp, ("agent", one), ("end", one), ("lasts", "1 hour"), ("password", PASSWORD)]
    return await browser.post(path.format(id=one), fields)


def _unlike(seen: Seen, one: str) -> tuple[int, str]:
    """An answer without the id that was asked about."""
    return seen.status, re.sub(re.escape(one), "", seen.response.text)


@pytest.mark.parametrize(("path", "kind"), POSTS.items())
async def test_nothing_of_hers_can_be_changed_or_told_from_nothing(
    street: Street, bens: Browser, hers: dict[str, str], path: str, kind: str
) -> None:
    ids = hers[kind], hers[kind][:-6] + "000000"
    before = await street.everything()
    foreign, invented = [_unlike(await _sent(bens, path, one), one) for one in ids]
    assert foreign == invented
    assert foreign[0] == 404
    after = await street.everything()
    assert {name: rows for name, rows in before.items() if name != "failures"} == {
        name: rows for name, rows in after.items() if name != "failures"
    }


@pytest.mark.parametrize(("path", "kind"), GETS.items())
async def test_nothing_of_hers_can_be_seen_or_told_from_nothing(
    street: Street, bens: Browser, hers: dict[str, str], path: str, kind: str
) -> None:
    foreign, invented = [
        _unlike(await bens.open(path.format(id=one)), one) for one in (hers[kind], hers[kind][:-6] + "000000")
    ]
    assert foreign == invented
    assert foreign[0] == 404


async def test_the_same_ids_are_something_to_ana(street: Street, anas: Browser, hers: dict[str, str]) -> None:
    """So that the answers above are about whose they are."""
    for path, kind in GETS.items():
        if "ended" not in path:
            assert (await anas.open(path.format(id=hers[kind]))).status == 200, path


async def test_every_page_of_ones_own_with_an_id_is_in_these_tables(street: Street) -> None:
    doors = [route for route in pages_application(street.town.house).routes if hasattr(route, "endpoint")]
    own = {
        route.path: route.endpoint  # type: ignore[attr-defined]  # of Starlette's routes, those that are ours
        for route in doors
        if isinstance(route.endpoint, Door) and route.path.startswith("/mine")  # type: ignore[attr-defined]  # as above
    }
    taking = {path for path, door in own.items() if "{id}" in path and door._post}
    showing = {path for path, door in own.items() if "{id}" in path and door._get}
    assert taking - {"/mine/passkeys/{id}/remove"} == {path for path in POSTS if "{id}" in path}
    assert showing == {path for path in GETS if "{id}" in path and "?" not in path}
