"""What every test may ask for: a clock to turn, ids, an open store, an unlocked vault. No network."""

import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import httpx2
import hypothesis
import pytest

from tests.laws.source import figures
from tests.support import chromium, untested
from tests.support.catalogs import cached
from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from tests.support.outside import watched
from valetkey.manifest import Catalog
from valetkey.model import Ids
from valetkey.people.passwords import Passwords
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock

# The same examples on every run: a red run can be repeated. No deadline: the machine may be busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


MEMORY, ENOUGH = Path("/dev/shm"), 2 << 30


def pytest_configure() -> None:
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        # Every store waits for the disk at every commit; a disk in memory answers at once.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    os.environ.pop("VALETKEY_HOME", None)  # no test may find the home of whoever runs it
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it, and so would every command that a test interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if chromium.missing():
        for item in items:
            if item.get_closest_marker("chromium"):
                item.add_marker(pytest.mark.skip(reason=f"no {chromium.CHROMIUM}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    notices = untested.notices(terminalreporter.getreports("skipped"))
    if notices:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
    for notice in notices:
        terminalreporter.write_line(notice, red=True, bold=True)
    terminalreporter.write_line(f"The code: {figures()}")


@pytest.fixture(autouse=True, scope="session")
def light_passwords() -> Iterator[None]:
    """Argon2id with little memory in the tests' own process: hundreds of people sign in there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Passwords, "memory_kib", 64)
        yield


@pytest.fixture(autouse=True, scope="session")
def what_never_changes_is_read_once() -> Iterator[None]:
    """The connectors in the repository, and the machine's certificates for clients on loopback.

    Hundreds of houses and clients are opened in one process here, where an operator opens one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "load", cached(Catalog.load))
        contexts = cache(httpx2.create_ssl_context)
        patch.setattr("httpx2._transports.default.create_ssl_context", contexts, raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def waits_within_transactions() -> Iterator[list[str]]:
    """What was waited for by somebody who held the store: `tests.support.outside` says why nothing may be."""
    seen: list[str] = []
    with watched(seen):
        yield seen


@pytest.fixture(autouse=True)
def nobody_waits_for_the_outside_with_the_store(waits_within_transactions: list[str]) -> Iterator[None]:
    waits_within_transactions.clear()
    yield
    assert waits_within_transactions == [], "this was waited for inside a transaction"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ids(clock: FakeClock) -> Ids:
    return Ids(clock)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A new store, migrated and empty."""
    opened = await SqliteStore.open(tmp_path / "store.db")
    yield opened
    await opened.aclose()


@pytest.fixture
async def vault(store: SqliteStore, ids: Ids, clock: FakeClock) -> Vault:
    """The vault of `store`, under ROOT_KEY."""
    return Vault(await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes))
