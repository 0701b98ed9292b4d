"""One sandbox served for this folder, put back to its start before each test, and a new house beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.linked import Linked
from tests.support.served import beside, served, turning
from valetkey.sandbox import Sandbox

__all__ = ["served", "turning"]  # fixtures


@pytest.fixture
async def here(served: Sandbox, turning: FakeClock, tmp_path: Path) -> AsyncIterator[Linked]:
    async with beside(served, turning, tmp_path) as opened:
        yield opened
