"""The operator's socket: open where commands need it, and closed everywhere else."""

import base64
from pathlib import Path

import anyio.lowlevel
import pytest

from valetkey.assemble import opened
from valetkey.serving.control import hand_out_key
from valetkey.settings import parse
from valetkey.vault.sources.handed import NAME, handed

KEY = bytes(range(32))
VARIABLE = '[key]\nsource = "environment"\nvariable = "VALETKEY_TEST_KEY"'


@pytest.fixture(autouse=True)
def a_variable_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALETKEY_TEST_KEY", base64.b64encode(KEY).decode())


async def until_handed(home: Path) -> None:
    while await handed(home) != KEY:  # noqa: ASYNC110 - until the socket is there
        await anyio.sleep(0.01)


async def test_a_key_that_was_taken_from_a_variable_is_handed_to_commands(tmp_path: Path) -> None:
    with anyio.fail_after(30):
        async with (
            opened(parse(VARIABLE, tmp_path / "valetkey.toml")) as house,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(hand_out_key, house.ground)
            await until_handed(tmp_path)
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("text", ["", f"traceable = false\n{VARIABLE}"])
async def test_a_key_that_commands_find_themselves_or_that_is_closed_to_all_is_not(
    tmp_path: Path, text: str
) -> None:
    with anyio.fail_after(30):
        async with opened(parse(text, tmp_path / "valetkey.toml")) as house:
            await hand_out_key(house.ground)
    assert not (tmp_path / NAME).exists()


async def test_a_second_server_takes_over_when_the_first_one_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valetkey.serving.control._EVERY_SECONDS", 0.01)
    first = anyio.CancelScope()
    with anyio.fail_after(30):
        async with opened(parse(VARIABLE, tmp_path / "valetkey.toml")) as house:

            async def until_stopped() -> None:
                with first:
                    await hand_out_key(house.ground)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_stopped)
                await until_handed(tmp_path)
                tasks.start_soon(hand_out_key, house.ground)
                first.cancel()
                await anyio.lowlevel.checkpoint()
                await until_handed(tmp_path)
                tasks.cancel_scope.cancel()
    assert not (tmp_path / NAME).exists()
