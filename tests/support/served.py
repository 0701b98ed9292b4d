"""Fixtures of a folder whose tests share one sandbox, put back to its start before each of them.

A conftest.py imports `turning` and `served`, and opens what stands beside them with `beside`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def beside(served: Sandbox, turning: FakeClock, home: Path) -> AsyncIterator[Linked]:
    """A new house in which a connection is made in one step."""
    served.reset()
    async with linked(home, served, turning) as opened:
        yield opened
        served.reset()  # lets held requests go, so that the house can close
