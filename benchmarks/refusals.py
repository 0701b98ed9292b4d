"""Guesses that ought to be refused alike, made at a served house: what `timing` compares."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from tests.pages.browser import Browser, Seen
from tests.support.agents import Alone, alone
from tests.support.town import NOTES, PASSWORD, Town, town
from valetkey.model import MINUTE
from valetkey.people import Person

Answer = Awaitable[httpx2.Response]


@dataclass(frozen=True, slots=True)
class Guesses:
    """Two guesses that ought to be refused alike: the second is nearer to what is right than the first."""

    what: str
    first: Callable[[], Answer]
    second: Callable[[], Answer]


@asynccontextmanager
async def refusals(home: Path) -> AsyncIterator[list[Guesses]]:
    """Open a house, and say what can be guessed there. The last of them turn its clock."""
    home.mkdir(mode=0o700, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(town(home, more=NOTES, clients=("notes",)))
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=here.url, trust_env=False))
        anas = await stack.enter_async_context(Browser(url=here.url))
        nobodys = await stack.enter_async_context(Browser(url=here.url))
        agent = await stack.enter_async_context(alone(here))
        yield [
            *await _whoever_has_it(here, http),
            *await _in_her_browser(here, anas, http),
            *_who_there_is(here, agent, await _at_the_door(here, nobodys)),
        ]


async def _whoever_has_it(here: Town, http: httpx2.AsyncClient) -> list[Guesses]:
    """What needs no session beside it."""
    ben = await here.person("ben")
    async with here.house.ground.store.transaction() as tx:
        invitation = await here.house.accounts.invite(tx, await here.house.accounts.add(tx, "cleo"))
    signed, _, signature = (await here.token(ben)).rpartition(".")

    def attach(tried: str) -> Answer:
        return http.post("/mcp", json={}, headers={"Authorization": f"Bearer {signed}.{tried}"})

    return [
        _either("an invitation", invitation, lambda tried: http.get(f"/join/{tried}")),
        _either("an access token's signature", signature, attach),
    ]


async def _in_her_browser(here: Town, browser: Browser, bare: httpx2.AsyncClient) -> list[Guesses]:
    """What counts where somebody is signed in, who has set out for a provider; and that they are."""
    link = await _asked(here, await here.person("ana"))
    page = await browser.open(f"/signin?{urlencode({'return_to': link})}")
    page = await browser.follow(await browser.send(page, {"name": "ana", "password": PASSWORD}))
    away = await browser.send(page, {"password": PASSWORD, "decision": "allow"})
    (state,) = parse_qs(urlsplit(away.location).query)["state"]
    http, own = browser.http, {"Origin": here.url}
    name = f"vk-{urlsplit(here.url).port}"

    def come_back(tried: str) -> Answer:
        return http.get("/callback/my-notes", params={"code": "c" * 20, "state": tried})

    def come_in(tried: str) -> Answer:
        return bare.get("/mine", headers={"Cookie": f"{name}={tried}"})

    def sign_out(tried: str) -> Answer:
        return http.post("/signout", data={"stamp": tried}, headers=own)

    return [
        _either("a link's handle", link.rpartition("/")[2], lambda tried: http.get(f"/connect/{tried}")),
        _either("a flow's state", state, come_back),
        _either("a form's stamp", _stamp(page), sign_out),
        _either("a browser's session", http.cookies[name], come_in),
    ]


async def _asked(here: Town, person: Person) -> str:
    """Let an agent ask a person; the path of its link."""
    async with here.wire(await here.token(person)) as wire:
        leg = await wire.call("notes.list_notes", {})
    return str(urlsplit(leg["inputRequests"]["valetkey"]["params"]["url"]).path)


async def _at_the_door(here: Town, browser: Browser) -> Callable[[str], Answer]:
    """A browser that tries a wrong password for a name, and waits for as long as it is told to."""
    form = {"stamp": _stamp(await browser.open("/signin")), "password": "a wrong guess", "return_to": "/"}

    def sign_in(name: str) -> Answer:
        here.clock.advance(15 * MINUTE)
        return browser.http.post("/signin", data={**form, "name": name}, headers={"Origin": here.url})

    return sign_in


def _who_there_is(here: Town, agent: Alone, sign_in: Callable[[str], Answer]) -> list[Guesses]:
    """Whom one can ask for, or be; with a secret that is right for nobody."""

    def authenticate(client: str) -> Answer:
        here.clock.advance(15 * MINUTE)
        return agent.http.post(
            f"{here.url}/token", data={"grant_type": "client_credentials"}, auth=(client, "s" * 43)
        )

    def either(what: str, guess: Callable[[str], Answer], nobody: str, somebody: str) -> Guesses:
        return Guesses(f"{what}: of nobody, of somebody", partial(guess, nobody), partial(guess, somebody))

    return [
        either("asking for somebody's leave", agent.ask, "zoe", "ana"),
        either("a client's secret", authenticate, agent.agent.id[:-4] + "0000", agent.agent.id),
        either("a password", sign_in, "zoe", "ana"),
    ]


def _stamp(page: Seen) -> str:
    return next(value for sheet in page.sheets for name, value in sheet.fields if name == "stamp")


def _either(what: str, secret: str, guess: Callable[[str], Answer]) -> Guesses:
    """A secret whose first letter is wrong, and one of which all but the last are right.

    The last but one: of the very last letter in base64 some bits may count for nothing.
    """
    wrong = [_changed(secret, at) for at in (0, len(secret) - 2)]
    first, second = (partial(guess, one) for one in wrong)
    return Guesses(f"{what}: wrong at its first letter, at its last", first, second)


def _changed(secret: str, at: int) -> str:
    return secret[:at] + ("A" if secret[at] != "A" else "B") + secret[at + 1 :]
