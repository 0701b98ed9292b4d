"""One sandbox served on loopback for all tests of this folder, put back to its start before each of them."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.sandbox.visitor import Visitor
from tests.support.served import served, turning
from valetkey.sandbox import Sandbox

__all__ = ["served", "turning"]  # fixtures


@pytest.fixture
def sandbox(served: Sandbox) -> Sandbox:
    served.reset()
    return served


@pytest.fixture
async def visitor(sandbox: Sandbox) -> AsyncIterator[Visitor]:
    """A browser and an OAuth client in one, with an open connection to the sandbox."""
    async with httpx2.AsyncClient(base_url=sandbox.base_url, trust_env=False, timeout=10) as http:
        yield Visitor(http)
