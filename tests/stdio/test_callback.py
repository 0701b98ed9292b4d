"""The callback port, from close by: several houses on one store, and a clock that is turned by hand."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests.support.clock import FakeClock
from tests.support.desk import free_port, is_shown, until
from valetkey.assemble import House, opened
from valetkey.errors import CallError
from valetkey.model import MINUTE, Actor, Caller, Outcome
from valetkey.settings import FILE, Settings, parse
from valetkey.stdio.callback import Callback


@dataclass
class Machine:
    """A home on a machine, and the port of its pages."""

    settings: Settings
    clock: FakeClock

    @property
    def url(self) -> str:
        return f"http://localhost:{self.settings.callback_port}/"

    @asynccontextmanager
    async def callback(self) -> AsyncIterator[tuple[House, Callback]]:
        """One more process, as far as the port is concerned; what it serves ends with the block."""
        with anyio.fail_after(30):
            async with (
                opened(self.settings, local=True, clock=self.clock) as house,
                anyio.create_task_group() as tasks,
            ):
                callback = Callback(house, tasks)
                yield house, callback
                callback.leave()


@pytest.fixture
def machine(tmp_path: Path, clock: FakeClock) -> Machine:
    return Machine(parse(f"callback_port = {free_port()}", tmp_path / FILE), clock)


async def asked(house: House) -> Caller:
    """Somebody's agent asks for something: a link is open."""
    async with house.ground.store.transaction() as tx:
        owner = await house.accounts.owner(tx) or await house.accounts.add(tx, "ana")
        agent = await house.agents.named(tx, "local")
    caller = Caller(owner.principal, Actor(agent.id), "local")
    await house.requests.find_or_make(caller, ("gmail.list_unread",), Outcome.NOT_CONNECTED)
    return caller


async def test_the_port_is_let_go_of_a_minute_after_the_last_link(machine: Machine) -> None:
    async with machine.callback() as (house, callback), anyio.create_task_group() as watching:
        watching.start_soon(callback.run)
        await asked(house)
        await until(lambda: is_shown(machine.url))
        machine.clock.advance(10 * MINUTE)  # the link has expired
        await anyio.wait_all_tasks_blocked()
        assert await is_shown(machine.url)
        machine.clock.advance(MINUTE + 1)
        await until(lambda: _is_dark(machine.url))
        watching.cancel_scope.cancel()


async def _is_dark(url: str) -> bool:
    return not await is_shown(url)


async def test_a_holder_that_is_just_leaving_is_not_taken_for_a_stranger(machine: Machine) -> None:
    async with machine.callback() as (house, holder), machine.callback() as (_, other):
        caller = await asked(house)
        await holder.reachable(caller)
        holder.leave()
        await other.reachable(caller)
        await until(lambda: is_shown(machine.url))


async def test_pages_beyond_this_machine_are_for_the_operator_to_serve(
    tmp_path: Path, clock: FakeClock
) -> None:
    settings = parse('public_url = "https://valetkey.example.com"', tmp_path / FILE)
    async with Machine(settings, clock).callback() as (house, callback):
        with pytest.raises(CallError, match=r"https://valetkey.example.com, and it does not run") as refused:
            await callback.reachable(await asked(house))
        assert refused.value.outcome == Outcome.UNAVAILABLE


async def test_a_store_that_fails_for_a_while_does_not_end_the_watch(machine: Machine) -> None:
    file = machine.settings.store_file
    async with machine.callback() as (house, callback), anyio.create_task_group() as watching:
        await asked(house)
        _store(file, "ALTER TABLE leases RENAME TO gone")
        watching.start_soon(callback.run)
        await anyio.wait_all_tasks_blocked()
        assert not await is_shown(machine.url)
        _store(file, "ALTER TABLE gone RENAME TO leases")
        await until(lambda: is_shown(machine.url))
        watching.cancel_scope.cancel()


def _store(file: Path, sql: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(sql)
