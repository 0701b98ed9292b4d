"""A whole town on loopback: the sandbox's providers, a house that serves, people, agents with clients.

Every part is the real one; only the clock is turned by hand.
"""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import anyio
import httpx2
import mcp_types as types
from mcp.client.client import Client
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client

from tests.support.browsing import tick
from tests.support.clock import FakeClock
from tests.support.wire import ELICITS, Wire
from valetkey import sandbox
from valetkey.assemble import House, opened
from valetkey.audit.read import AuditRecord, records
from valetkey.demo.person import PersonWithBrowser
from valetkey.errors import NeedsPerson
from valetkey.model import DAY, Actor, Caller, CallId, Json, Principal, Registration, Secret
from valetkey.people import Person
from valetkey.sandbox import Client as SandboxClient
from valetkey.sandbox import Sandbox, hosts
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.serving import listen, running
from valetkey.settings import FILE, Settings, parse

PASSWORD = "correct horse battery"
OPERATOR = Principal("local-operator", "tests")
CLIENTS = {
    "github": sandbox.GITHUB_CLIENT,
    "google": sandbox.GOOGLE_CLIENT,
    "slack": sandbox.SLACK_CLIENT,
    "strict": sandbox.STRICT_CLIENT,
    "notes": sandbox.STRICT_CLIENT,
}
NOTES = f'manifests = ["{Path(__file__).parent / "connectors"}"]'
"""The setting that adds the tests' own connector, `notes`, at the strict provider."""

UNLIMITED = "[limits]\ncalls_per_minute = 1000000\nburst = 1000000\nprovider_calls_per_minute = 1000000"
"""Tests call more often than anybody does, by a clock that stands still."""

NOWHERE: Mapping[str, str] = MappingProxyType({"https://claude.ai": "http://127.0.0.1:9"})
"""What clients publish of themselves cannot be fetched: no test leaves this machine. Nobody listens there."""

PASTED = f'manifests = ["{Path(__file__).parent / "manifests"}"]'
"""The setting that adds the three connectors whose secrets are pasted: `keyed`, `beared`, `basic_auth`."""


@dataclass(slots=True)
class Town:
    """What a test walks about in. `links` are the links that were elicited, in order."""

    sandbox: Sandbox
    house: House
    clock: FakeClock
    url: str
    links: list[str] = field(default_factory=list)

    async def person(self, name: str) -> Person:
        """Add a person who has accepted their invitation with PASSWORD."""
        async with self.house.ground.store.transaction() as tx:
            person = await self.house.accounts.add(tx, name)
            secret = await self.house.accounts.invite(tx, person)
        return await self.house.accounts.join(secret, PASSWORD)

    async def newcomer(self) -> Person:
        """Add somebody nobody has met before, in a town that several tests share."""
        return await self.person(self.house.ground.ids.new("ana"))

    async def token(self, person: Person, agent: str = "triage", lasts: int = DAY) -> str:
        """Mint the token with which an agent acts for a person."""
        async with self.house.ground.store.transaction() as tx:
            actor = await self.house.agents.named(tx, agent)
            session = await self.house.sessions.start_token(tx, person.principal, actor.id, lasts)
        return self.house.tokens.mint(session)

    async def records(self, person: Person) -> list[AuditRecord]:
        """What the audit says of a person, oldest first, once all that waits to be written is."""
        ground, drain = self.house.ground, Caller(OPERATOR, Actor("tests"), "")
        async with ground.audit.around(drain, "drain", CallId(ground.ids.new("cal"))) as record:
            await record.asked(NeedsPerson("not_granted", "", link="", request="", wants=""))
        found = await records(ground.store, ground.vault, principal=person.principal, limit=200)
        return found[::-1]

    async def outcomes(self, person: Person) -> list[str | None]:
        """How the calls made for a person ended, oldest first."""
        return [record.outcome for record in await self.records(person) if record.kind == "call"]

    @asynccontextmanager
    async def another(self) -> AsyncIterator["Town"]:
        """Another process on the same store, as far as anything but the memory is concerned."""
        listener = listen("127.0.0.1", 0)
        netloc = f"localhost:{listener.getsockname()[1]}"
        settings = self.house.ground.settings.model_copy(update={"allowed_hosts": (netloc,)})
        async with (
            opened(settings, public_url=self.url, clock=self.clock) as house,
            running(house, listener),
        ):
            yield Town(self.sandbox, house, self.clock, f"http://{netloc}")

    @asynccontextmanager
    async def client(
        self,
        token: str,
        elicited: ElicitationFnT | None = None,
        *,
        mode: str = "auto",
        at: str = "/mcp",
        heard: MessageHandlerFnT | None = None,
    ) -> AsyncIterator[Client]:
        """The SDK's client, attached with a token. Without `elicited` it declares no elicitation.

        `heard` is told every message that the server sends of itself.
        """
        headers = {"Authorization": f"Bearer {token}"}
        with anyio.fail_after(30):
            async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
                transport = streamable_http_client(f"{self.url}{at}", http_client=http)
                agent = Client(transport, elicitation_callback=elicited, mode=mode, message_handler=heard)
                async with agent as client:
                    yield client

    @asynccontextmanager
    async def wire(
        self, token: str, capabilities: Mapping[str, Json] = ELICITS, *, at: str = "/mcp"
    ) -> AsyncIterator[Wire]:
        """A client that writes the protocol by hand, and sees each leg of a call."""
        async with httpx2.AsyncClient(timeout=20, trust_env=False) as http:
            yield Wire(http, self.url, token, capabilities, at)

    def approving(self, name: str, account: str) -> ElicitationFnT:
        """Somebody who opens the link they are shown, and says yes to everything, before they answer."""

        async def elicited(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
            assert isinstance(params, types.ElicitRequestURLParams)
            self.links.append(params.url)
            await self.approve(params.url, name, account)
            return types.ElicitResult(action="accept")

        return elicited

    def answering(self, action: str) -> ElicitationFnT:
        """Somebody who answers the client without ever opening the link."""

        async def elicited(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
            assert isinstance(params, types.ElicitRequestURLParams)
            self.links.append(params.url)
            return types.ElicitResult.model_validate({"action": action})

        return elicited

    async def approve(
        self, link: str, name: str, account: str, *, also: Sequence[str] = (), lasts: str = "8 hours"
    ) -> None:
        """Open a link as a person, allow what is asked, consent at the provider, confirm the account."""
        async with PersonWithBrowser() as browser:
            await self.sign_in(browser, link, name)
            tick(browser, *also)
            await browser.submit(password=PASSWORD, decision="allow", lasts=lasts)
            if not browser.url.startswith(self.url):
                await browser.submit(account=account, decision="allow")
                await browser.submit(decision="yes")

    async def connected(
        self,
        person: Person,
        tool: str = "gmail.list_unread",
        arguments: Mapping[str, Json] = MappingProxyType({}),
        *,
        agent: str = "triage",
        account: str = "ana@example.com",
        also: Sequence[str] = (),
        lasts: str = "8 hours",
    ) -> str:
        """Let a person connect and allow what a call needs, through the pages; return their agent's token."""
        token = await self.token(person, agent)
        async with self.wire(token) as wire:
            link = (await wire.call(tool, arguments))["inputRequests"]["valetkey"]["params"]["url"]
        await self.approve(link, person.name, account, also=also, lasts=lasts)
        return token

    async def setting_out(
        self,
        browser: PersonWithBrowser,
        person: Person,
        tool: str = "notes.list_notes",
        agent: str = "triage",
    ) -> str:
        """Let an agent ask, and its person say yes: they now stand before the provider. Returns the link."""
        async with self.wire(await self.token(person, agent)) as wire:
            leg = await wire.call(tool, {})
        link: str = leg["inputRequests"]["valetkey"]["params"]["url"]
        await self.sign_in(browser, link, person.name)
        await browser.submit(password=PASSWORD, decision="allow")
        return link

    async def sign_in(self, browser: PersonWithBrowser, link: str, name: str) -> None:
        """Open a link, signing in on the way."""
        await browser.open(link)
        if "/signin" in browser.url:
            await browser.submit(name=name, password=PASSWORD)


def settings_for(
    home: Path, base_url: str, more: str = "", rerouted: Mapping[str, str] = NOWHERE
) -> Settings:
    """Settings under which every provider is the sandbox, and some more origins are `rerouted`."""
    targets = {**hosts(base_url), **rerouted}
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in targets.items())
    limits = "" if "[limits]" in more else UNLIMITED
    return parse(f"{more}\n{limits}\n[hosts]\n{table}", home / FILE)


async def register(house: House, *providers: str) -> None:
    """Register the sandbox's clients, each as `my-<provider>`."""
    async with house.ground.store.transaction() as tx:
        for provider in providers:
            client: SandboxClient = CLIENTS[provider]
            new = Registration(f"my-{provider}", provider, client.id, Secret(client.secret))
            await house.connections.registrations.add(tx, new, OPERATOR)


@asynccontextmanager
async def town(
    home: Path,
    *,
    more: str = "",
    clients: Sequence[str] = ("google", "slack"),
    hold: float = HOLD_SECONDS,
    clock: FakeClock | None = None,
    listener: socket.socket | None = None,
    rerouted: Mapping[str, str] = NOWHERE,
    public_url: str | None = None,
) -> AsyncIterator[Town]:
    """Open a town whose house lives in `home`; `more` is TOML put before `[hosts]`.

    `clients` are registered as `my-<name>`; `hold` is how long a leg waits for its person, in seconds;
    `listener` is where it listens, if not on a loopback port of its own; `rerouted` goes into `[hosts]`;
    `public_url` is where it is reached, if something stands before it.
    """
    clock = clock or FakeClock()
    providers = Sandbox(clock)
    async with sandbox.running(providers) as base_url:
        listener = listener or listen("127.0.0.1", 0)
        url = public_url or f"http://localhost:{listener.getsockname()[1]}"
        settings = settings_for(home, base_url, more, rerouted)
        async with opened(settings, public_url=url, clock=clock) as house:
            await register(house, *clients)
            async with running(house, listener, hold=hold):
                yield Town(providers, house, clock, url)
