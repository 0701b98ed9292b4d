"""One sandbox for this folder, and a house beside it in which a connection is made in one step."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.linked import Linked, linked
from valetkey.sandbox import Sandbox, running


@pytest.fixture(scope="package")
def turning() -> FakeClock:
    """The clock of the sandbox, and of the house beside it."""
    return FakeClock()


@pytest.fixture(scope="package")
async def served(anyio_backend: str, turning: FakeClock) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(turning)
    async with running(sandbox):
        yield sandbox


@pytest.fixture
async def house(served: Sandbox, turning: FakeClock, tmp_path: Path) -> AsyncIterator[Linked]:
    served.reset()
    async with linked(tmp_path, served, turning) as opened:
        yield opened
        served.reset()
