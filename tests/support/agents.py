"""Agents with identities of their own, and what people have allowed them, without walking through pages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from joserfc import jwt
from joserfc.jwk import OKPKey

from tests.support.town import Town
from valetkey.authserver.asking import Client, Form
from valetkey.authserver.rfc8693_asked import ACCESS_TOKEN, EXCHANGE, GRANT
from valetkey.grants import Given
from valetkey.identity import Identified
from valetkey.model import HOUR, Grant, Json
from valetkey.people import Agent, Person
from valetkey.people.client_keys import jwks_of
from valetkey.serving.acting import grant_types


async def named(here: Town) -> Agent:
    """Register an agent that nobody has met before."""
    async with here.house.ground.store.transaction() as tx:
        return await here.house.agents.named(tx, here.house.ground.ids.new("agent").replace("_", "-"))


async def given(
    here: Town,
    person: Person,
    agent: Agent,
    *,
    offline: bool = True,
    lasts: int | None = HOUR,
    uses: int | None = None,
    tools: Sequence[str] = ("gmail.list_unread",),
    connections: Sequence[str] = ("con_none",),
) -> Grant:
    """Let a person allow an agent something."""
    terms = Given(frozenset(tools), frozenset(), lasts, uses, offline)
    async with here.house.ground.store.transaction() as tx:
        return await here.house.grants.give(tx, person.principal, agent.id, connections, terms)


async def exchanged(here: Town, agent: Agent, token: str, **form: str) -> dict[str, Json]:
    """Exchange a person's token as an agent that has authenticated. Raises OAuthError."""
    asked = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, **form}
    return await grant_types(here.house)[EXCHANGE].answer(Client(agent, proven=True), Form(asked))


async def at_night(here: Town, agent: Agent, grant: str, **form: str) -> dict[str, Json]:
    """Exchange a standing grant. Raises OAuthError."""
    return await exchanged(here, agent, grant, **{"subject_token_type": GRANT, **form})


async def opened(here: Town, answer: dict[str, Json], resource: str | None = None) -> Identified:
    """Show the token of an answer. Raises Unauthenticated."""
    return await here.house.identity.of_token(answer["access_token"], resource)


async def end_session(here: Town, session: str) -> None:
    async with here.house.ground.store.transaction() as tx:
        assert await here.house.sessions.end(tx, session)


@dataclass(frozen=True, slots=True)
class Alone:
    """An agent that authenticates as itself with its secret, at whichever process `url` is."""

    http: httpx2.AsyncClient
    url: str
    agent: Agent

    async def exchange(self, token: str, kind: str = GRANT, **form: str) -> httpx2.Response:
        asked = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": kind, **form}
        return await self.http.post(f"{self.url}/token", data=asked)

    async def grants(self) -> list[Mapping[str, Json]]:
        answer = await self.http.get(f"{self.url}/agents/self/grants")
        assert answer.status_code == 200, answer.text
        listed: list[Mapping[str, Json]] = answer.json()["grants"]
        return listed

    async def ask(self, principal: str, *tools: str, **more: Json) -> httpx2.Response:
        body = {"principal": principal, "tools": list(tools or ("gmail.list_unread",)), **more}
        return await self.http.post(f"{self.url}/agents/self/requests", json=body)

    async def stands(self, request: str) -> httpx2.Response:
        return await self.http.get(f"{self.url}/agents/self/requests/{request}")


@asynccontextmanager
async def alone(here: Town, agent: Agent | None = None) -> AsyncIterator[Alone]:
    """An agent with a new secret of its own; a new one unless it is given."""
    agent = agent or await named(here)
    async with here.house.ground.store.transaction() as tx:
        secret = await here.house.agents.give_secret(tx, agent)
    async with httpx2.AsyncClient(auth=(agent.id, secret), timeout=20, trust_env=False) as http:
        yield Alone(http, here.url, agent)


async def keyed(here: Town) -> tuple[Agent, OKPKey]:
    """Register an agent that authenticates with a key, and return its private half."""
    agent, key = await named(here), OKPKey.generate_key("Ed25519")
    async with here.house.ground.store.transaction() as tx:
        await here.house.agents.give_keys(tx, agent, jwks_of(key.as_pem(private=False).decode()))
    return agent, key


def assertion(here: Town, agent: Agent, key: OKPKey, **more: Json) -> str:
    """Sign an assertion of an agent (RFC 7523), with claims in place of the usual ones."""
    now = here.clock.now() // 1000
    said = {"iss": agent.id, "sub": agent.id, "aud": here.url, "iat": now, "exp": now + 60, **more}
    return jwt.encode({"alg": "Ed25519"}, said, key, algorithms=["Ed25519"])
