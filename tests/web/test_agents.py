"""My agents: each once, what it may do in words, and the switch that stops one for this person."""

import pytest

from tests.pages.browser import Browser
from tests.web.conftest import EMAIL, Street
from valetkey.grants import Given
from valetkey.model import HOUR, Actor, Caller
from valetkey.people import Kind

CLAUDE = {"redirect_uris": ["https://claude.example/callback"]}
HOSTS = ("claude.example", "claude.example", "elsewhere.example")


async def _given(street: Street, actor: str, *tools: str, **more: object) -> str:
    """Let an agent of Ana's do something on a connection that need not be there; return the grant's id."""
    street.town.clock.advance(1)
    given = Given(frozenset(tools), **{"refused": frozenset(), "lasts": None, **more})  # type: ignore[arg-type]  # as Given takes them
    async with street.town.house.ground.store.transaction() as tx:
        grant = await street.town.house.grants.give(tx, street.ana.principal, actor, ["con_none"], given)
    return grant.id


async def _registered(street: Street, name: str = "Claude", hosts: tuple[str, ...] = HOSTS) -> list[str]:
    """Let a client register itself several times, redirecting to these hosts."""
    ids = [f"dyn_{number}" for number in range(len(hosts))]
    async with street.town.house.ground.store.transaction() as tx:
        for one, host in zip(ids, hosts, strict=True):
            metadata = {"redirect_uris": [f"https://{host}/callback"]}
            await street.town.house.agents.add(tx, one, name, Kind.DYNAMIC, metadata)
    return ids


def _cards(page: str) -> int:
    return page.count("Stop this agent")


async def test_at_first_it_says_what_to_do(street: Street, anas: Browser) -> None:
    page = await anas.open("/mine/agents")
    assert "No agent acts for you" in page.text
    assert "it shows you a link" in page.text


async def test_an_agent_is_there_once_whatever_it_was_given(street: Street, anas: Browser) -> None:
    """One that comes over stdio as `local` and with a minted token for `local` is one agent."""
    await street.connect(anas, await street.ask(agent="local"))
    await street.town.token(street.ana, "local")
    await street.connect(anas, await street.ask("gmail.send_message", agent="local"))
    page = await anas.open("/mine/agents")
    assert _cards(page.text) == 1
    for words in ("local", "List unread", "Send message", EMAIL, "Until 4 Oct 2024, 08:00 UTC"):
        assert words in page.text


async def test_terms_are_said_in_words(street: Street, anas: Browser) -> None:
    async with street.town.house.ground.store.transaction() as tx:
        agent = await street.town.house.agents.named(tx, "triage")
    await _given(street, agent.id, "gmail:read", uses=3, offline=True, lasts=HOUR)
    await _given(street, agent.id, "slack.*", refused=frozenset({"slack.post_message"}))
    text = (await anas.open("/mine/agents")).text
    for words in (
        "Everything that reads",
        "3 calls left",
        "Also while you are away",
        "Until 4 Oct 2024, 01:00 UTC",
        "Everything but what deletes",
        "Not: Post message",
        "Until you revoke it",
        "Not used yet",
        "Set up by the operator",
    ):
        assert words in text, words


async def test_one_client_that_registered_twice_is_one_agent(street: Street, anas: Browser) -> None:
    """What tells two of a name apart is where they sign in, and that stands on the page."""
    for one in await _registered(street):
        await _given(street, one, "gmail.list_unread")
    page = await anas.open("/mine/agents")
    assert _cards(page.text) == 2
    assert "An app that signs in at claude.example" in page.text
    assert "An app that signs in at elsewhere.example" in page.text


async def test_a_client_that_is_signed_in_is_listed_before_it_may_do_anything(
    street: Street, anas: Browser
) -> None:
    await street.town.token(street.ana)
    text = (await anas.open("/mine/agents")).text
    assert "triage" in text
    assert "may do nothing for you yet" in text


async def test_stopping_an_agent_ends_all_that_it_has_of_this_person(
    street: Street, anas: Browser, bens: Browser
) -> None:
    house = street.town.house
    await street.connect(anas, await street.ask())
    request = await street.ask("gmail.send_message")
    token, bens_token = await street.town.token(street.ana), await street.town.token(street.ben)
    page = await anas.open("/mine/agents")
    seen = await anas.send(page, to="/mine/agents/stop")
    assert (seen.status, "triage is stopped" in seen.text) == (200, True)
    assert await house.grants.of(street.ana.principal) == []
    assert [one.kind for one in await house.sessions.of(house.ground.store, street.ana.principal)] == [
        "browser"
    ]
    assert await street.state(request) == "declined"
    async with street.town.wire(token) as agent:
        assert (
            await agent.post(agent.body("tools/list", {}), agent.headers("tools/list"))
        ).status_code == 401
    async with street.town.wire(bens_token) as agent:
        assert (
            await agent.post(agent.body("tools/list", {}), agent.headers("tools/list"))
        ).status_code == 200
    assert await street.events("agent.stopped") == 1
    assert "No agent acts for you" in (await anas.open("/mine/agents")).text


async def test_stopping_one_of_several_registrations_stops_them_all(street: Street, anas: Browser) -> None:
    ids = await _registered(street, hosts=("claude.example", "claude.example"))
    for one in ids:
        await _given(street, one, "gmail.list_unread")
    page = await anas.open("/mine/agents")
    stamp = page.sheet("/signout").fields
    assert (await anas.post("/mine/agents/stop", [*stamp, ("agent", ids[0])])).status == 200
    assert await street.town.house.grants.of(street.ana.principal) == []


async def test_other_agents_of_the_person_go_on(street: Street, anas: Browser) -> None:
    await street.connect(anas, await street.ask())
    async with street.town.house.ground.store.transaction() as tx:
        other = await street.town.house.agents.named(tx, "other")
    kept = await _given(street, other.id, "gmail.list_unread")
    (mine,) = [one for one in await street.town.house.grants.of(street.ana.principal) if one.id != kept]
    stamp = (await anas.open("/mine/agents")).sheet("/signout").fields
    await anas.post("/mine/agents/stop", [*stamp, ("agent", mine.actor)])
    assert [one.id for one in await street.town.house.grants.of(street.ana.principal)] == [kept]


@pytest.mark.parametrize("hostile", ["<img src=x onerror=alert(1)>", "\u202eevil", "a" * 500])
async def test_a_name_somebody_made_up_is_text(street: Street, anas: Browser, hostile: str) -> None:
    (one,) = await _registered(street, hostile, ("claude.example",))
    await _given(street, one, "gmail.list_unread")
    html = (await anas.open("/mine/agents")).response.text
    assert "<img src=x" not in html
    assert "\u202e" not in html
    assert "a" * 200 not in html


async def test_what_waits_is_counted_on_every_page_of_hers(street: Street, anas: Browser) -> None:
    await street.ask()
    async with street.town.house.ground.store.transaction() as tx:
        agent = await street.town.house.agents.named(tx, "night-watch")
    caller = Caller(street.ana.principal, Actor(agent.id), "")
    await street.town.house.requests.ahead(caller, ("gmail.list_unread",), offline=True)
    for path in ("/mine", "/mine/agents", "/mine/waiting", "/mine/history", "/mine/sessions"):
        assert "2 to decide" in (await anas.open(path)).text, path
