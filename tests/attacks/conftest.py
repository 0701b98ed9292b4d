"""One sandbox for this folder, and a house beside it in which a connection is made in one step."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.linked import Linked
from tests.support.served import beside, served, turning
from valetkey.sandbox import Sandbox

__all__ = ["served", "turning"]  # fixtures


@pytest.fixture
async def house(served: Sandbox, turning: FakeClock, tmp_path: Path) -> AsyncIterator[Linked]:
    async with beside(served, turning, tmp_path) as opened:
        yield opened
