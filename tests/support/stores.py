"""Both stores, as the lines of settings that choose them: for tests of what must hold on either."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.database import database

STORES = ("sqlite", "postgres")


@asynccontextmanager
async def setting(store: str) -> AsyncIterator[str]:
    """The setting for an empty store of this kind, gone after the block."""
    if store == "sqlite":
        yield ""
    else:
        async with database() as url:
            yield f'store = "{url}"'
