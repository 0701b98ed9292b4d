"""An audit to start, and a store with a history in it."""

from pathlib import Path

import pytest

from tests.audit.story import Start, history
from tests.support.clock import FakeClock
from valetkey.audit import Audit
from valetkey.audit.head import FILE, Checkpoint
from valetkey.model import Ids
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault


@pytest.fixture
def start(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Start:
    return lambda: Audit(store, vault, ids, clock)


@pytest.fixture
def head_file(tmp_path: Path) -> Path:
    return tmp_path / FILE


@pytest.fixture
async def signed(
    start: Start, store: SqliteStore, vault: Vault, clock: FakeClock, head_file: Path
) -> Checkpoint:
    """The last checkpoint of the history that the store then holds."""
    return await history(start, store, vault, clock, head_file)
