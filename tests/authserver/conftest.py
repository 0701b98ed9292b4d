"""The token side of our authorization server, for tests that need no pages."""

from collections.abc import AsyncIterator

import pytest

from tests.authserver.issuing import Issuing, issuing
from tests.support.clock import FakeClock
from valetkey.model import Ids
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault


@pytest.fixture
async def desk(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> AsyncIterator[Issuing]:
    async with issuing(store, vault, ids, clock) as opened:
        yield opened
