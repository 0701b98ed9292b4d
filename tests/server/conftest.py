"""One town for each file: these tests ask at its door, and change little behind it."""

from collections.abc import AsyncIterator

import pytest

from tests.support.town import NOTES, Town, town
from tests.support.wire import Wire


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("home")
    async with town(home, more=NOTES, clients=("google", "slack", "notes"), hold=0.02) as opened:
        yield opened


@pytest.fixture
async def agent(here: Town) -> AsyncIterator[Wire]:
    """The agent of somebody new, writing the protocol by hand."""
    async with here.wire(await here.token(await here.newcomer())) as wire:
        yield wire
