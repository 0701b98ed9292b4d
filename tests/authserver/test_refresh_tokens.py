"""A lineage of refresh tokens under attack, and in the hands of a client that is interrupted."""

import secrets
from pathlib import Path

import anyio
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.authserver.issuing import Issuing, issuing
from tests.support.clock import FakeClock
from tests.support.keys import ROOT_KEY
from valetkey.authserver.refresh_tokens import AT_MOST, IDLE, OVERLAP
from valetkey.model import DAY, SECOND, Ids
from valetkey.people import Agent
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault
from valetkey.vault.keys import unlock


@pytest.fixture
async def claude(desk: Issuing) -> Agent:
    return await desk.client()


async def test_each_refresh_gives_a_new_pair_and_the_session_lasts_on(desk: Issuing, claude: Agent) -> None:
    first = await desk.signed_in(claude)
    desk.clock.advance(20 * DAY)
    answer = await desk.refresh(first["refresh_token"], claude)
    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "mcp")
    assert body["refresh_token"] != first["refresh_token"]
    session = await desk.sessions.read(desk.tokens.verified(body["access_token"]).sid)
    assert session is not None
    assert session.until == desk.clock.now() + IDLE


async def test_within_half_a_minute_the_same_token_gives_the_same_successor(
    desk: Issuing, claude: Agent
) -> None:
    first = await desk.signed_in(claude)
    successor = (await desk.refresh(first["refresh_token"], claude)).json()["refresh_token"]
    after = (await desk.refresh(successor, claude)).json()["refresh_token"]
    desk.clock.advance(OVERLAP - 1)
    again = await desk.refresh(first["refresh_token"], claude)
    assert again.json()["refresh_token"] == successor
    assert (await desk.refresh(successor, claude)).json()["refresh_token"] == after


async def test_a_stolen_token_used_later_ends_its_lineage_and_is_on_record(
    desk: Issuing, claude: Agent
) -> None:
    stolen = await desk.signed_in(claude)
    current = (await desk.refresh(stolen["refresh_token"], claude)).json()
    desk.clock.advance(OVERLAP)
    thief = await desk.refresh(stolen["refresh_token"], claude)
    assert (thief.status_code, thief.json()["error"]) == (400, "invalid_grant")
    assert not await desk.lives(current["access_token"])
    owner = await desk.refresh(current["refresh_token"], claude)
    assert owner.json()["error"] == "invalid_grant"
    assert await desk.kinds() == ["client.refresh_reused"]


async def test_reuse_is_known_for_what_it_is_long_after_the_rows_are_forgotten(
    desk: Issuing, claude: Agent
) -> None:
    stolen = (await desk.signed_in(claude))["refresh_token"]
    token = stolen
    for _ in range(10):
        desk.clock.advance(10 * DAY)
        token = (await desk.refresh(token, claude)).json()["refresh_token"]
        await desk.refresh_tokens.forget_late()
    assert (await desk.refresh(stolen, claude)).json()["error"] == "invalid_grant"
    assert (await desk.refresh(token, claude)).json()["error"] == "invalid_grant"
    assert await desk.kinds() == ["client.refresh_reused"]


async def test_reuse_in_one_install_leaves_the_other_install_of_the_same_client_alone(
    desk: Issuing, claude: Agent
) -> None:
    laptop, desktop = await desk.signed_in(claude), await desk.signed_in(claude)
    await desk.refresh(laptop["refresh_token"], claude)
    desk.clock.advance(OVERLAP)
    await desk.refresh(laptop["refresh_token"], claude)
    assert not await desk.lives(laptop["access_token"])
    assert await desk.lives(desktop["access_token"])
    assert (await desk.refresh(desktop["refresh_token"], claude)).status_code == 200


async def test_a_made_up_token_of_a_real_session_ends_nothing(desk: Issuing, claude: Agent) -> None:
    first = await desk.signed_in(claude)
    session, random, tag = first["refresh_token"].split(".")
    for made_up in (
        f"{session}.{random}.{tag[:-1]}{'0' if tag[-1] != '0' else '1'}",
        f"{session}.{'A' * 43}.{tag}",
        f"{session}.{random}",
        f"{session}..",
        session,
        "..",
        ".",
        "é.é.é",
        f"ses_other.{random}.{tag}",
    ):
        refused = await desk.refresh(made_up, claude)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert await desk.kinds() == []
    assert (await desk.refresh(first["refresh_token"], claude)).status_code == 200


async def test_another_client_can_neither_use_a_token_nor_end_its_lineage(
    desk: Issuing, claude: Agent
) -> None:
    thief = await desk.client("thief")
    first = await desk.signed_in(claude)
    assert (await desk.refresh(first["refresh_token"], thief)).json()["error"] == "invalid_grant"
    successor = (await desk.refresh(first["refresh_token"], claude)).json()["refresh_token"]
    desk.clock.advance(OVERLAP)
    assert (await desk.refresh(first["refresh_token"], thief)).json()["error"] == "invalid_grant"
    assert (await desk.refresh(successor, claude)).status_code == 200


async def test_many_refreshes_at_once_in_two_processes_get_one_successor(
    desk: Issuing, claude: Agent, tmp_path: Path, clock: FakeClock, ids: Ids
) -> None:
    first = await desk.signed_in(claude)
    store = await SqliteStore.open(tmp_path / "store.db")
    vault = Vault(await unlock(store, ROOT_KEY, ids, clock, secrets.token_bytes))
    successors: list[str] = []

    async def refresh(at: Issuing) -> None:
        answer = await at.refresh(first["refresh_token"], claude)
        successors.append(answer.json()["refresh_token"])

    with anyio.fail_after(60):
        async with issuing(store, vault, ids, clock) as other, anyio.create_task_group() as tasks:
            for at in (desk, other) * 10:
                tasks.start_soon(refresh, at)
    await store.aclose()
    assert len(successors) == 20
    assert len(set(successors)) == 1


async def test_a_lineage_that_nobody_uses_for_thirty_days_is_over(desk: Issuing, claude: Agent) -> None:
    first = await desk.signed_in(claude)
    desk.clock.advance(IDLE)
    assert (await desk.refresh(first["refresh_token"], claude)).json()["error"] == "invalid_grant"


async def test_a_lineage_is_over_after_half_a_year_however_much_it_is_used(
    desk: Issuing, claude: Agent
) -> None:
    token, began = (await desk.signed_in(claude))["refresh_token"], desk.clock.now()
    desk.clock.advance(20 * DAY)
    for _ in range(20):
        answer = await desk.refresh(token, claude)
        if answer.status_code != 200:
            break
        token = answer.json()["refresh_token"]
        desk.clock.advance(20 * DAY - 1)
    assert answer.json().get("error") == "invalid_grant"
    assert AT_MOST <= desk.clock.now() - began < AT_MOST + 20 * DAY


async def test_the_last_access_token_of_a_lineage_lasts_no_longer_than_it(
    desk: Issuing, claude: Agent
) -> None:
    token, began = (await desk.signed_in(claude))["refresh_token"], desk.clock.now()
    for day in (25, 50, 75, 100, 125, 150, 175):
        desk.clock.set_to(began + day * DAY)
        token = (await desk.refresh(token, claude)).json()["refresh_token"]
    desk.clock.set_to(began + AT_MOST - 5 * SECOND)
    assert (await desk.refresh(token, claude)).json()["expires_in"] == 5


async def test_the_store_has_no_token_in_it_and_no_successor_after_half_a_minute(
    desk: Issuing, claude: Agent, tmp_path: Path
) -> None:
    first = await desk.signed_in(claude)
    successor = (await desk.refresh(first["refresh_token"], claude)).json()["refresh_token"]
    rows = await desk.store.all("SELECT 1 FROM sealed WHERE purpose = 'refresh_successor'")
    assert len(rows) == 1
    desk.clock.advance(OVERLAP)
    await desk.refresh_tokens.forget_late()
    assert await desk.store.all("SELECT 1 FROM sealed WHERE purpose = 'refresh_successor'") == []
    (left,) = await desk.store.all("SELECT used FROM refresh_tokens")
    assert left["used"] is None
    stored = _everything_in(tmp_path)
    for token in (first["refresh_token"], successor):
        _, random, tag = token.split(".")
        assert random.encode() not in stored
        assert tag.encode() not in stored


def _everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("store.db*"))


async def test_what_ended_is_forgotten(desk: Issuing, claude: Agent) -> None:
    first = await desk.signed_in(claude)
    async with desk.store.transaction() as tx:
        await desk.sessions.end(tx, desk.tokens.verified(first["access_token"]).sid)
    assert (await desk.refresh(first["refresh_token"], claude)).json()["error"] == "invalid_grant"
    await desk.refresh_tokens.forget_late()
    assert await desk.store.all("SELECT 1 FROM refresh_tokens") == []


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([1, 5 * SECOND, OVERLAP - 1, OVERLAP, DAY, 29 * DAY])),
        st.tuples(st.just("use"), st.integers(0, 20)),
        st.tuples(st.just("tidy"), st.just(0)),
    ),
    max_size=25,
)


class Lineage:
    """What the rules say of one lineage: the tokens it gave, when each was used, and whether it is over."""

    def __init__(self, first: str, now: int) -> None:
        self.tokens, self.used = [first], dict[str, tuple[int, str]]()
        self.ended, self.began, self.idle_from = False, now, now

    def expected(self, token: str, now: int) -> str | None:
        """The successor that using a token must give: "new" for one there was not yet, None for a refusal."""
        if self.ended or now >= min(self.idle_from + IDLE, self.began + AT_MOST):
            return None
        at, successor = self.used.get(token, (now, "new"))
        self.ended = now - at >= OVERLAP
        return None if self.ended else successor

    def follow(self, token: str, successor: str, now: int) -> None:
        """What was given: its successor stays a token's for good."""
        self.idle_from = now
        if token not in self.used:
            assert successor not in self.tokens
            self.tokens.append(successor)
        self.used.setdefault(token, (now, successor))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_happens_to_a_lineage_it_gives_what_the_rules_allow(
    desk: Issuing, claude: Agent, steps: list[Step]
) -> None:
    first = await desk.signed_in(claude)
    lineage = Lineage(first["refresh_token"], desk.clock.now())
    for what, amount in steps:
        if what == "wait":
            desk.clock.advance(amount)
        elif what == "tidy":
            await desk.refresh_tokens.forget_late()
        else:
            await _use(desk, claude, lineage, lineage.tokens[amount % len(lineage.tokens)])
    session = first["refresh_token"].split(".")[0]
    if lineage.ended:
        assert await desk.sessions.read(session) is None


async def _use(desk: Issuing, claude: Agent, lineage: Lineage, token: str) -> None:
    now = desk.clock.now()
    expected = lineage.expected(token, now)
    answer = await desk.refresh(token, claude)
    successor = answer.json().get("refresh_token")
    assert (answer.status_code == 200) is (expected is not None)
    if successor is not None:
        assert expected in {"new", successor}
        lineage.follow(token, successor, now)
