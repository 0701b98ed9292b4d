"""Agents with identities of their own, and what people have allowed them, without walking through pages."""

from collections.abc import Sequence

from tests.support.town import Town
from valetkey.authserver.asking import Client, Form
from valetkey.authserver.rfc8693_asked import ACCESS_TOKEN, EXCHANGE, GRANT
from valetkey.grants import Given
from valetkey.identity import Identified
from valetkey.model import HOUR, Grant, Json
from valetkey.people import Agent, Person
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
