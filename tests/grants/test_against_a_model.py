"""Grants given, refused, changed, used and ended in any order: the store says what a simple model says."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from tests.support.town import NOTES
from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.grants import KEEP, Given, Grants, Less, More
from valetkey.manifest import Catalog, shipped
from valetkey.model import HOUR, Ids, Principal
from valetkey.settings import FILE, parse
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock

AGENT = "agt_1"
CONNECTIONS = ("con_1", "con_2")
READ, WRITE, DESTROY = "notes.list_notes", "notes.write_note", "notes.delete_note"
TOOLS = (READ, WRITE, DESTROY, "gmail.list_unread")
NAMED = {
    "notes.*": {READ, WRITE},
    "notes:read": {READ},
    "notes:write": {WRITE},
    "notes:destroy": set[str](),
    **{tool: {tool} for tool in TOOLS},
}
"""Each entry, and which of the tools it names."""


@dataclass
class Modelled:
    """A grant as somebody would keep it on paper."""

    connections: set[str]
    entries: set[str]
    refused: set[str]
    until: int | None
    uses: int | None
    offline: bool
    used: int = 0
    revoked: bool = False

    def stands(self, now: int) -> bool:
        return not self.revoked and (self.until is None or now < self.until)

    def names(self, tool: str) -> bool:
        return any(tool in NAMED[entry] for entry in self.entries)


@dataclass
class Paper:
    """All grants on paper, oldest first."""

    grants: list[Modelled] = field(default_factory=list)

    def covers(self, connection: str, tool: str, now: int, *, away: bool) -> Modelled | None:
        for grant in reversed(self.grants):
            if not grant.stands(now) or connection not in grant.connections:
                continue
            if tool in grant.refused:
                return None
            left = grant.uses is None or grant.used < grant.uses
            if grant.names(tool) and left and (grant.offline or not away):
                return grant
        return None

    def hides(self, tool: str, now: int) -> bool:
        standing = [grant for grant in self.grants if grant.stands(now)]
        if not any(tool in grant.refused for grant in standing):
            return False
        for connection in CONNECTIONS:
            speaking = [
                grant
                for grant in standing
                if connection in grant.connections and (tool in grant.refused or grant.names(tool))
            ]
            if speaking and tool not in speaking[-1].refused:
                return False
        return True


@dataclass(frozen=True)
class Give:
    given: Given
    connections: frozenset[str]


@dataclass(frozen=True)
class Change:
    which: int
    change: Less | More


@dataclass(frozen=True)
class Revoke:
    which: int


@dataclass(frozen=True)
class Call:
    connection: str
    tool: str
    away: bool


@dataclass(frozen=True)
class Wait:
    milliseconds: int


LASTS, USES = st.sampled_from([None, HOUR, 8 * HOUR]), st.sampled_from([None, 1, 2])
ENTRIES = st.frozensets(st.sampled_from(sorted(NAMED)), min_size=1, max_size=3)
NAMES = st.frozensets(st.sampled_from(TOOLS), max_size=2)
WHICH = st.integers(0, 5)
STEPS = st.one_of(
    st.builds(
        Give,
        st.builds(Given, ENTRIES, NAMES, LASTS, USES, st.booleans()),
        st.frozensets(st.sampled_from(CONNECTIONS), min_size=1),
    ),
    st.builds(Change, WHICH, st.builds(Less, NAMES, LASTS, USES, st.booleans())),
    st.builds(
        Change, WHICH, st.builds(More, NAMES, LASTS | st.just(KEEP), USES | st.just(KEEP), st.booleans())
    ),
    st.builds(Revoke, WHICH),
    st.builds(Call, st.sampled_from(CONNECTIONS), st.sampled_from(TOOLS), st.booleans()),
    st.builds(Wait, st.sampled_from([1, HOUR - 1, HOUR, 8 * HOUR])),
)


class Both:
    """The store and the paper, side by side."""

    def __init__(self, store: SqliteStore, grants: Grants, catalog: Catalog, clock: FakeClock) -> None:
        self.store, self.grants, self.catalog, self.clock = store, grants, catalog, clock
        self.start("nobody")

    def start(self, subject: str) -> None:
        """Begin on an empty sheet, with somebody new."""
        self.who, self.paper, self.ids = Principal("local", subject), Paper(), list[str]()

    async def take(self, step: Give | Change | Revoke | Call | Wait) -> None:
        self.clock.advance(1)  # ids sort by time
        match step:
            case Wait(milliseconds):
                self.clock.advance(milliseconds)
            case Give(given, connections):
                await self._give(given, connections)
            case Call():
                await self._call(step)
            case Change(which, change) if which < len(self.ids):
                await self._change(self.ids[which], self.paper.grants[which], change)
            case Revoke(which) if which < len(self.ids):
                await self._revoke(self.ids[which], self.paper.grants[which])
            case _:
                return

    async def _give(self, new: Given, connections: frozenset[str]) -> None:
        async with self.store.transaction() as tx:
            self.ids.append((await self.grants.give(tx, self.who, AGENT, connections, new)).id)
        until = None if new.lasts is None else self.clock.now() + new.lasts
        words = (set(connections), set(new.tools), set(new.refused))
        self.paper.grants.append(Modelled(*words, until, new.uses, new.offline))

    async def _call(self, call: Call) -> None:
        tool = self.catalog.tool(call.tool)
        expected = self.paper.covers(call.connection, call.tool, self.clock.now(), away=call.away)
        found = await self.grants.covering(self.who, AGENT, call.connection, tool, away=call.away)
        assert (found.id if found else None) == self._id_of(expected)
        claim = self.grants.claim(found) if found else None
        if claim and expected:
            async with self.store.transaction() as tx:
                assert await claim(tx)
            expected.used += 1

    async def _revoke(self, grant_id: str, paper: Modelled) -> None:
        if paper.stands(self.clock.now()):
            await self.grants.revoke(self.who, grant_id)
            paper.revoked = True
        else:
            with pytest.raises(UsageError):
                await self.grants.revoke(self.who, grant_id)

    async def _change(self, grant_id: str, paper: Modelled, change: Less | More) -> None:
        changed = _less(paper, change, self.clock.now()) if isinstance(change, Less) else None
        changed = changed or (_more(paper, change, self.clock.now()) if isinstance(change, More) else None)
        way = self.grants.narrow if isinstance(change, Less) else self.grants.extend
        if changed is None or changed == paper or not paper.stands(self.clock.now()):
            with pytest.raises(UsageError):
                await way(self.who, grant_id, change)  # type: ignore[arg-type]  # each with its own
            return
        await way(self.who, grant_id, change)  # type: ignore[arg-type]  # each with its own
        self.paper.grants[self.ids.index(grant_id)] = changed

    def _id_of(self, paper: Modelled | None) -> str | None:
        return next(
            (one for one, kept in zip(self.ids, self.paper.grants, strict=True) if kept is paper), None
        )

    async def agree(self) -> None:
        """Every tool, every account, here or away, listed or not; and nobody else's."""
        now, stranger = self.clock.now(), Principal("local", "somebody else")
        hidden = await self.grants.refused(self.who, AGENT, [self.catalog.tool(name) for name in TOOLS])
        assert hidden == {name for name in TOOLS if self.paper.hides(name, now)}
        for name in TOOLS:
            tool = self.catalog.tool(name)
            for connection in CONNECTIONS:
                for away in (False, True):
                    expected = self._id_of(self.paper.covers(connection, name, now, away=away))
                    found = await self.grants.covering(self.who, AGENT, connection, tool, away=away)
                    assert (found.id if found else None) == expected
                assert not await self.grants.covers(stranger, AGENT, connection, tool)
                assert not await self.grants.covers(self.who, "agt_2", connection, tool)


def _less(paper: Modelled, less: Less, now: int) -> Modelled | None:
    """None: nothing would be left."""
    entries = paper.entries - less.without
    ends = [paper.until] if less.lasts is None else [paper.until, now + less.lasts]
    counts = [paper.uses] if less.uses is None else [paper.uses, paper.used + less.uses]
    return (
        Modelled(
            paper.connections,
            entries,
            paper.refused | less.without,
            min((end for end in ends if end is not None), default=None),
            min((count for count in counts if count is not None), default=None),
            paper.offline and not less.present,
            paper.used,
        )
        if entries
        else None
    )


def _more(paper: Modelled, more: More, now: int) -> Modelled:
    until, uses = paper.until, paper.uses
    if more.lasts is not KEEP and until is not None:
        until = None if more.lasts is None else max(until, now + more.lasts)
    if more.uses is not KEEP and uses is not None:
        uses = None if more.uses is None else max(uses, paper.used + more.uses)
    entries, refused = paper.entries | more.tools, paper.refused - more.tools
    offline = paper.offline or more.offline
    return Modelled(paper.connections, entries, refused, until, uses, offline, paper.used)


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    folder, clock = tmp_path_factory.mktemp("home"), FakeClock()
    configured = parse(NOTES, folder / FILE)
    catalog = Catalog.load([shipped(), *configured.manifests], allow_hooks=[shipped()])
    store, ids = await SqliteStore.open(folder / "store.db"), Ids(clock)
    vault = Vault(await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes))
    async with Audit(store, vault, ids, clock, secrets.token_bytes) as audit:
        yield Both(store, Grants(store, vault.keys, audit, ids, clock), catalog, clock)
    await store.aclose()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=1, max_size=12))
async def test_whatever_is_done_in_whatever_order_covers_what_the_model_covers(
    both: Both, steps: list[Give | Change | Revoke | Call | Wait]
) -> None:
    both.start(secrets.token_hex(8))
    for step in steps:
        await both.take(step)
        await both.agree()
