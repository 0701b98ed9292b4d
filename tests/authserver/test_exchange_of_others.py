"""Another issuer's token, exchanged by an agent of ours: only where its audience was allowed to be."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agents import exchanged, given, named, opened
from tests.support.town import Town, town
from valetkey.errors import OAuthError
from valetkey.model import MINUTE, Principal
from valetkey.people import Person

ANA = "ana@example.com"
CORP = """
[issuers.corp]
url = "https://corp.example/acme"
exchange_audiences = ["api://triage"]
"""
HER = Person(Principal("corp", "corp-ana"), "Ana", owner=False, joined=False)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, more=CORP, clients=()) as made:
        yield made


async def test_an_agent_acts_for_the_person_of_another_issuers_token(here: Town) -> None:
    agent = await named(here)
    await given(here, HER, agent)
    answer = await exchanged(here, agent, here.sandbox.corp.access_token(ANA, "api://triage"))
    caller = (await opened(here, answer)).caller
    assert caller.principal == HER.principal
    assert (caller.actor.client, caller.actor.chain) == (agent.id, ("corp/assistant",))


async def test_it_lasts_no_longer_than_what_it_was_got_for(here: Town) -> None:
    agent = await named(here)
    await given(here, HER, agent)
    corp = here.sandbox.corp
    token = corp.access_token(ANA, "api://triage", exp=corp.now() + 60)
    assert (await exchanged(here, agent, token))["expires_in"] <= MINUTE // 1000


@pytest.mark.parametrize(
    "changed",
    [
        {"audience": "api://other"},
        {"audience": ["api://triage", "api://other"]},
        {"exp": 1},
        {"sub": None},
        {"may_act": {"sub": "somebody-else"}},
        {"may_act": "text"},
        {"header": {"alg": "none"}},
    ],
)
async def test_a_token_that_is_not_for_this_is_refused(here: Town, changed: dict[str, Any]) -> None:
    agent = await named(here)
    await given(here, HER, agent)
    token = here.sandbox.corp.access_token(ANA, **{"audience": "api://triage", **changed})
    with pytest.raises(OAuthError):
        await exchanged(here, agent, token)


async def test_without_a_grant_there_is_a_link(here: Town) -> None:
    agent = await named(here)
    with pytest.raises(OAuthError, match="access_denied"):
        await exchanged(here, agent, here.sandbox.corp.access_token(ANA, "api://triage"))
