"""Errors of tasks, names without an account, and the words of the output."""

import os

import anyio
import pytest
import typer

from valetkey.cli.house import Names, account, run
from valetkey.cli.output import since, visible, when
from valetkey.errors import StoreError
from valetkey.model import DAY, HOUR, Principal, SystemClock


async def failing(error: Exception) -> None:
    async with anyio.create_task_group() as outer, anyio.create_task_group() as inner:
        inner.start_soon(_raise, error)
        outer.start_soon(anyio.sleep_forever)


async def _raise(error: Exception) -> None:
    raise error


def test_an_error_of_ours_comes_out_of_its_task_as_it_is() -> None:
    with pytest.raises(StoreError, match="full"):
        run(lambda: failing(StoreError("full")))


def test_a_bug_in_a_task_is_not_taken_for_an_answer() -> None:
    with pytest.raises(BaseExceptionGroup):
        run(lambda: failing(ZeroDivisionError()))


def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert account() == "uid-4000000000"


def test_the_environment_does_not_say_who_the_operator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = account()
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert account() == before


def test_an_id_without_a_name_is_shown_as_it_is() -> None:
    nobody = Names({}, {})
    assert nobody.person(Principal("local", "per_1")) == "per_1"
    assert nobody.agent("agt_1") == "agt_1"
    assert nobody.person(None) is None
    assert nobody.agent(None) is None


def test_what_others_wrote_cannot_steer_a_terminal() -> None:
    assert visible("ana\x1b[2J\u202e@example.com") == "ana[2J@example.com"


@pytest.mark.parametrize(("text", "ago"), [("90m", 90 * 60_000), ("24h", 24 * HOUR), ("7d", 7 * DAY)])
def test_a_span_counts_back_from_now(text: str, ago: int) -> None:
    assert abs(SystemClock().now() - since(text) - ago) < 60_000


def test_a_time_is_local_unless_it_says_otherwise() -> None:
    assert since("2026-11-24T09:30:00+00:00") == 1_795_512_600_000
    assert when(since("2026-11-24T09:30")) == "2026-11-24 09:30:00"
    assert since("2026-11-24") == since("2026-11-24T00:00")


@pytest.mark.parametrize("text", ["", "yesterday", "0h", "5w", "9999999d", "2026-13-01"])
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        since(text)
