"""Forms from elsewhere: every route that takes one refuses it, whoever is signed in, and nothing changes."""

from collections.abc import Mapping

import pytest
from starlette.routing import Route

from tests.pages.browser import Browser
from tests.support.town import PASSWORD
from tests.web.conftest import Street
from valetkey.model import Outcome
from valetkey.pages.door import Door
from valetkey.serving import pages_application

SAME = {"Sec-Fetch-Site": "same-origin"}
FORGERIES: dict[str, tuple[Mapping[str, str], str]] = {
    "from another site": ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, "right"),
    "from another port": ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"}, "right"),
    "from nowhere": ({}, "right"),
    "without a stamp": (SAME, "none"),
    "with a made-up stamp": (SAME, "made up"),
    "with the stamp of another session": (SAME, "another's"),
    "as text": ({**SAME, "Content-Type": "text/plain"}, "right"),
    "as JSON": ({**SAME, "Content-Type": "application/json"}, "right"),
    "as multipart": ({**SAME, "Content-Type": "multipart/form-data; boundary=x"}, "right"),
}
POSTS = (
    "/signin",
    "/signin/{issuer}",
    "/signout",
    "/join/{invitation}",
    "/connect/{handle}",
    "/connect/{handle}/confirm",
    "/mine/connections/{id}/revoke",
    "/mine/connections/{id}/reconnect",
    "/mine/connectors/{name}/connect",
    "/mine/agents/stop",
    "/mine/grants/{id}/narrow",
    "/mine/grants/{id}/extend",
    "/mine/grants/{id}/revoke",
    "/mine/sessions",
    "/mine/password",
    "/mine/notices",
    "/mine/notices/code",
    "/mine/passkeys/new",
    "/mine/passkeys/{id}/remove",
)


@pytest.fixture
async def paths(street: Street, anas: Browser) -> dict[str, str]:
    """Each route of POSTS with something real behind it."""
    connection = await street.connect(anas, await street.ask())
    (grant,) = await street.town.house.grants.of(street.ana.principal)
    request = await street.ask("gmail.get_message", outcome=Outcome.RECONNECT, connection=connection.id)
    await street.arrive(anas, request)
    house = street.town.house
    async with house.ground.store.transaction() as tx:
        invitation = await house.accounts.invite(tx, await house.accounts.add(tx, "cleo"))
    filled = {"issuer": "corp", "invitation": invitation, "handle": house.requests.handle(request)}
    filled |= {"name": "gmail"}
    return {path: path.format(**filled, id=grant.id if "grants" in path else connection.id) for path in POSTS}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_no_forged_form_does_anything(
    street: Street, anas: Browser, bens: Browser, paths: dict[str, str], forgery: str
) -> None:
    headers, stamp = FORGERIES[forgery]
    stamps = {
        "right": await _stamp(anas),
        "another's": await _stamp(bens),
        "made up": [("stamp", "0" * 64)],
        "none": [],
    }
    fields = [("name", "ana"), ("password", PASSWORD), ("tool", "gmail.get_message"), ("lasts", "1 hour")]
    before = await street.everything()
    for path in paths.values():
        for decision in ("allow", "deny", "yes", "no"):
            form = [*fields, *stamps[stamp], ("decision", decision)]
            assert (await anas.post(path, form, headers)).status in {403, 415}
            assert (await anas.http.get(path, params=dict(form))).status_code in {200, 303, 405}
    assert await street.everything() == before


async def test_the_same_forms_from_our_own_pages_do_what_they_say(
    street: Street, anas: Browser, paths: dict[str, str]
) -> None:
    """So that the refusals above are of the forgery, and not of everything."""
    stamp = await _stamp(anas)
    more = [("decision", "no"), ("password", PASSWORD)]
    order = (
        "/mine/grants/{id}/revoke",
        "/mine/connections/{id}/revoke",
        "/connect/{handle}/confirm",
        "/connect/{handle}",
    )
    assert [(await anas.post(paths[path], [*stamp, *more])).status for path in order] == [200, 200, 303, 303]
    assert (await anas.post(paths["/mine/sessions"], [*stamp, ("end", "browsers")])).status == 303


async def test_every_route_that_takes_a_form_is_in_this_table(street: Street) -> None:
    served = pages_application(street.town.house).routes
    doors = {
        route.path: route.endpoint
        for route in served
        if isinstance(route, Route) and isinstance(route.endpoint, Door)
    }
    others = {route.path for route in served if isinstance(route, Route)} - doors.keys()
    assert others == {"/healthz", "/.well-known/valetkey"}, "what is no page takes no form"
    del doors["/welcome"]  # of a process over stdio alone, which nobody has a session with yet
    assert sorted(path for path, door in doors.items() if door._post) == sorted(POSTS)


async def _stamp(browser: Browser) -> list[tuple[str, str]]:
    return (await browser.open("/mine")).sheet("/signout").fields
