"""A home with a live store in it."""

from pathlib import Path

import pytest

from tests.generation.opening import opened


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home whose store has lived."""
    async with opened(tmp_path / "home") as first:
        assert first.gate.reason is None
        await first.recorded()
    return tmp_path / "home"
