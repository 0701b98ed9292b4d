"""Fixtures of the tests of token exchange: a town, a person nobody met before, an agent of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.support.agents import named
from tests.support.town import Town, town
from valetkey.people import Agent, Person


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
async def ana(here: Town) -> Person:
    return await here.newcomer()


@pytest.fixture
async def triage(here: Town) -> Agent:
    return await named(here)
