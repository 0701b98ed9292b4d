"""A house beside the sandbox with no server before it, where a connection is made in one step."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.clock import FakeClock
from tests.support.town import CLIENTS, NOTES, register, settings_for
from valetkey.assemble import House, opened
from valetkey.connections.authorize import Trip
from valetkey.connections.refresh import Refresher
from valetkey.connections.tokensets import Held
from valetkey.grants import Given
from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import OAuth2
from valetkey.model import Actor, Caller, CallId, Connection, Json, Principal
from valetkey.sandbox import Provider, Sandbox
from valetkey.settings import Settings

ANA = "ana@example.com"
PRINCIPAL = Principal("local", "ana")
PROVIDERS = ("google", "slack", "notes")
READS: dict[str, tuple[str, dict[str, Json]]] = {
    "gmail": ("gmail.list_unread", {"limit": 1}),
    "slack": ("slack.list_channels", {}),
    "notes": ("notes.list_notes", {}),
    "github": ("github.list_repositories", {"limit": 1}),
}
"""A call that reads, for each connector."""

_VERIFIER = "v" * 43


@dataclass(slots=True)
class Linked:
    """A house and its providers, as a test of one room needs them. `caller` is Ana's agent."""

    sandbox: Sandbox
    house: House
    clock: FakeClock
    caller: Caller

    def as_person(self, name: str) -> "Linked":
        """The same house, with the same agent, for somebody else."""
        return replace(self, caller=replace(self.caller, principal=Principal("local", name)))

    @property
    def refresher(self) -> Refresher:
        return self.house.connections.refresher

    def connector(self, name: str) -> Connector:
        return self.house.ground.catalog.connectors[name]

    def provider(self, connector: str) -> Provider:
        named = {"gmail": self.sandbox.google, "slack": self.sandbox.slack, "github": self.sandbox.github}
        return named.get(connector, self.sandbox.strict)

    def refreshes(self, connector: str) -> dict[str, int]:
        """The refresh requests that the provider saw, by how each ended."""
        counted = self.provider(connector).counters.token_requests
        return {how: count for (grant_type, how), count in counted.items() if grant_type == "refresh_token"}

    async def connect(self, name: str = "notes", account: str = ANA) -> Connection:
        """Consent at the provider, redeem, confirm and grant everything: one step for a test."""
        return await self.redeemed(name, self.consented(name, account))

    def consented(self, name: str = "notes", account: str = ANA) -> str:
        """Consent at the provider; returns the code with which a browser would come back."""
        back = self.sandbox.approve(_authorize_url(self.connector(name), *self._asked(name)), account)
        return parse_qs(urlsplit(back).query)["code"][0]

    async def redeemed(self, name: str, code: str) -> Connection:
        """Redeem a code, confirm the connection and grant everything, in the transactions of the pages."""
        new = await self._arrived(name, code)
        every = frozenset(tool.name for tool in self.connector(name).tools.values())
        who, actor, given = self.caller.principal, self.caller.actor.client, Given(every, frozenset(), None)
        async with self.house.ground.store.transaction() as tx:
            made = await self.house.connections.connecting.settle(tx, new, None)
            await self.house.grants.give(tx, who, actor, [made.id], given)
        return made

    async def confirmed(self, name: str, code: str) -> Connection:
        """Redeem a code and confirm the connection, which no agent may use yet."""
        new = await self._arrived(name, code)
        async with self.house.ground.store.transaction() as tx:
            return await self.house.connections.connecting.settle(tx, new, None)

    async def _arrived(self, name: str, code: str) -> Connection:
        connector, (scopes, redirect_uri) = self.connector(name), self._asked(name)
        trip = Trip("req_test", f"my-{connector.provider}", code, _VERIFIER, {})
        connecting = self.house.connections.connecting
        return await connecting.arrive(trip, self.caller.principal, connector, scopes, redirect_uri)

    def _asked(self, name: str) -> tuple[frozenset[str], str]:
        """What is asked for, all that there is, and where the answer goes."""
        connector = self.connector(name)
        scopes = connector.to_ask(frozenset(s for tool in connector.tools.values() for s in tool.scopes))
        return scopes, self.house.connections.flows.redirect_uri(f"my-{connector.provider}")

    async def call(self, connector: str = "notes") -> dict[str, Json]:
        """Make a call that reads. Raises CallError."""
        name, arguments = READS[connector]
        call = CallId(self.house.ground.ids.new("cal"))
        return await self.house.calls.perform(self.caller, name, arguments, call)

    async def held(self, connection: Connection) -> Held:
        """The token set of a connection as it stands."""
        return await self.refresher.read(connection, self.connector(connection.connector))

    async def state(self, connection: Connection) -> tuple[str, str | None]:
        """The state of a connection, and the reason for it."""
        now = await self.house.connections.rows.get(self.house.ground.store, connection.id)
        assert now is not None
        return now.state, now.reason

    async def happened(self, kind: str) -> list[Json]:
        """The facts of every audit event of a kind."""
        return [facts for _, facts in await self.recorded(kind)]

    async def recorded(self, kind: str) -> list[tuple[int, Json]]:
        """Every audit event of a kind: its place in the chain, and its facts."""
        sql = "SELECT seq, core FROM audit WHERE kind = $1 ORDER BY seq"
        return [(row["seq"], _facts(row["core"])) for row in await self.house.ground.store.all(sql, kind)]


def _facts(core: bytes) -> Json:
    return json.loads(core)["facts"]


def _authorize_url(connector: Connector, scopes: frozenset[str], redirect_uri: str) -> str:
    auth = cast(OAuth2, connector.auth)
    digest = hashlib.sha256(_VERIFIER.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": CLIENTS[connector.provider].id,
        "redirect_uri": redirect_uri,
        "state": "state",
        auth.scope_param: auth.scope_separator.join(sorted(scopes)),
        **auth.authorize_params,
    }
    if auth.pkce != "off":
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return f"{auth.authorize_url}?{urlencode(query)}"


@asynccontextmanager
async def linked(home: Path, sandbox: Sandbox, clock: FakeClock, *providers: str) -> AsyncIterator[Linked]:
    """Open a new house in `home` whose providers are a sandbox that is being served."""
    async with opened(linked_settings(home, sandbox.base_url), clock=clock) as house:
        await register(house, *(providers or PROVIDERS))
        yield await moved_in(house, sandbox, clock)


@asynccontextmanager
async def neighbour(here: Linked) -> AsyncIterator[Linked]:
    """Open another house on the same store: another process, but for its memory."""
    async with opened(here.house.ground.settings, clock=here.clock) as house:
        yield Linked(here.sandbox, house, here.clock, here.caller)


def linked_settings(home: Path, base_url: str) -> Settings:
    return settings_for(home, base_url, NOTES)


async def moved_in(house: House, sandbox: Sandbox, clock: FakeClock) -> Linked:
    async with house.ground.store.transaction() as tx:
        agent = await house.agents.named(tx, "triage")
    return Linked(sandbox, house, clock, Caller(PRINCIPAL, Actor(agent.id), "ses_test"))
