"""Grants: what a person allowed an agent, and not one tool, connection or minute more."""

import secrets
from collections.abc import AsyncIterator

import pytest

from tests.support.clock import FakeClock
from tests.support.town import NOTES
from valetkey.audit import Audit
from valetkey.errors import UsageError
from valetkey.grants import LASTS, Given, Grants
from valetkey.manifest import Catalog, Tool, shipped
from valetkey.model import DAY, HOUR, Grant, Ids, Principal
from valetkey.settings import FILE, parse
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

ANA, BEN = Principal("local", "per_ana"), Principal("local", "per_ben")
AGENT, CON = "agt_1", "con_1"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    settings = parse(NOTES, tmp_path_factory.getbasetemp() / FILE)
    return Catalog.load([shipped(), *settings.manifests], allow_hooks=[shipped()])


class Giving:
    """Grants of a person to an agent, in a store of their own."""

    def __init__(self, store: SqliteStore, grants: Grants, catalog: Catalog, clock: FakeClock) -> None:
        self.store, self.grants, self.catalog, self.clock = store, grants, catalog, clock

    async def give(
        self, *tools: str, refused: tuple[str, ...] = (), lasts: int | None = None, connection: str = CON
    ) -> Grant:
        """Give a grant, a moment after the last one."""
        self.clock.advance(1)
        given = Given(frozenset(tools), frozenset(refused), lasts)
        async with self.store.transaction() as tx:
            return await self.grants.give(tx, ANA, AGENT, [connection], given)

    async def covers(
        self, tool: str, *, who: Principal = ANA, agent: str = AGENT, connection: str = CON
    ) -> bool:
        return await self.grants.covers(who, agent, connection, self.catalog.tool(tool))

    async def hidden(self) -> set[str]:
        return set(await self.grants.refused(ANA, AGENT, self.catalog.tools))


@pytest.fixture
async def giving(
    store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock, catalog: Catalog
) -> AsyncIterator[Giving]:
    async with Audit(store, vault, ids, clock, secrets.token_bytes) as audit:
        yield Giving(store, Grants(store, vault.keys, audit, ids, clock), catalog, clock)


async def test_a_new_agent_starts_with_nothing(giving: Giving) -> None:
    assert not any([await giving.covers(tool.name) for tool in giving.catalog.tools])
    assert await giving.hidden() == set(), "what was never asked stays listed"


async def test_a_named_tool_is_covered_and_its_neighbour_is_not(giving: Giving) -> None:
    await giving.give("gmail.list_unread")
    assert await giving.covers("gmail.list_unread")
    assert not await giving.covers("gmail.get_message")
    assert not await giving.covers("slack.list_channels")


async def test_a_grant_is_one_persons_to_one_agent_on_its_connections(giving: Giving) -> None:
    await giving.give("gmail.list_unread")
    assert not await giving.covers("gmail.list_unread", who=BEN)
    assert not await giving.covers("gmail.list_unread", who=Principal("corp", ANA.subject))
    assert not await giving.covers("gmail.list_unread", agent="agt_2")
    assert not await giving.covers("gmail.list_unread", connection="con_2")


async def test_a_whole_connector_is_all_of_it_but_what_destroys(giving: Giving) -> None:
    await giving.give("notes.*")
    assert await giving.covers("notes.list_notes")
    assert await giving.covers("notes.write_note")
    assert not await giving.covers("notes.delete_note")
    assert not await giving.covers("gmail.list_unread")


async def test_an_effect_is_that_effect_alone(giving: Giving) -> None:
    await giving.give("gmail:read")
    assert await giving.covers("gmail.list_unread")
    assert not await giving.covers("gmail.send_message")
    assert not await giving.covers("slack.list_channels")


@pytest.mark.parametrize(
    "told", ["notes.*", "notes:write", "notes:destroy", "*", "notes.delete_*", "delete_note"]
)
async def test_what_destroys_is_covered_by_its_own_name_alone(giving: Giving, told: str) -> None:
    await giving.give(told)
    assert not await giving.covers("notes.delete_note")
    await giving.give("notes.delete_note")
    assert await giving.covers("notes.delete_note")


@pytest.mark.parametrize(("words", "lasts"), LASTS.items())
async def test_a_grant_ends_when_it_was_said_to(giving: Giving, words: str, lasts: int | None) -> None:
    grant = await giving.give("gmail.list_unread", lasts=lasts)
    giving.clock.advance((lasts or 1000 * DAY) - 1)
    assert await giving.covers("gmail.list_unread")
    giving.clock.advance(1)
    assert await giving.covers("gmail.list_unread") is (lasts is None), words
    assert [one.id for one in await giving.grants.of(ANA)] == ([grant.id] if lasts is None else [])


async def test_a_refused_tool_is_hidden_until_it_is_allowed(giving: Giving) -> None:
    await giving.give("gmail.get_message", refused=("gmail.list_unread",))
    assert await giving.hidden() == {"gmail.list_unread"}
    await giving.give("gmail.list_unread")
    assert await giving.hidden() == set()
    assert await giving.covers("gmail.list_unread")


@pytest.mark.parametrize("earlier", ["gmail.list_unread", "gmail.*", "gmail:read"])
async def test_a_refusal_ends_what_an_earlier_grant_allowed(giving: Giving, earlier: str) -> None:
    """Hidden from the list and still callable would be the worst of both."""
    await giving.give(earlier)
    assert await giving.covers("gmail.list_unread")
    await giving.give("gmail.get_message", refused=("gmail.list_unread",))
    assert not await giving.covers("gmail.list_unread")
    assert await giving.hidden() == {"gmail.list_unread"}
    assert await giving.covers("gmail.get_message")


@pytest.mark.parametrize("later", ["gmail.*", "gmail:read"])
async def test_what_a_later_grant_allows_by_a_wide_word_is_listed_too(giving: Giving, later: str) -> None:
    await giving.give("gmail.get_message", refused=("gmail.list_unread",))
    await giving.give(later)
    assert await giving.covers("gmail.list_unread")
    assert await giving.hidden() == set()


async def test_a_refusal_lasts_as_long_as_its_grant(giving: Giving) -> None:
    await giving.give("gmail.get_message", refused=("gmail.list_unread",), lasts=HOUR)
    giving.clock.advance(HOUR)
    assert await giving.hidden() == set()


async def test_a_revoked_grant_covers_nothing_from_then_on(giving: Giving) -> None:
    grant = await giving.give("gmail.list_unread")
    await giving.grants.revoke(ANA, grant.id)
    assert not await giving.covers("gmail.list_unread")
    with pytest.raises(UsageError):
        await giving.grants.revoke(ANA, grant.id)


async def test_a_grant_is_revoked_by_whose_it_is(giving: Giving) -> None:
    grant = await giving.give("gmail.list_unread")
    with pytest.raises(UsageError):
        await giving.grants.revoke(BEN, grant.id)
    assert await giving.covers("gmail.list_unread")


async def test_giving_and_revoking_are_in_the_audit_with_what_they_said(giving: Giving) -> None:
    grant = await giving.give("gmail.list_unread", refused=("gmail.get_message",), lasts=HOUR)
    await giving.grants.revoke(ANA, grant.id)
    rows = await giving.store.all("SELECT kind, core FROM audit ORDER BY seq")
    assert [row["kind"] for row in rows] == ["grant.given", "grant.revoked"]
    for part in (grant.id, "gmail.list_unread", "gmail.get_message", str(grant.until), AGENT):
        assert part in bytes(rows[0]["core"]).decode()


async def test_a_grant_whose_transaction_fails_was_never_given(giving: Giving) -> None:
    given = Given(frozenset({"gmail.list_unread"}), frozenset(), None)

    async def interrupted() -> None:
        async with giving.store.transaction() as tx:
            await giving.grants.give(tx, ANA, AGENT, [CON], given)
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        await interrupted()
    assert not await giving.covers("gmail.list_unread")
    assert await giving.store.one("SELECT 1 FROM audit") is None


def test_every_tool_here_is_one_of_three_effects(catalog: Catalog) -> None:
    def kinds(tools: tuple[Tool, ...]) -> set[str]:
        return {str(tool.effect) for tool in tools}

    assert kinds(catalog.tools) == {"read", "write", "destroy"}
