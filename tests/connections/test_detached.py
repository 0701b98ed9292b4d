"""Work that outlives whoever asked for it."""

import anyio
import pytest

from valetkey.connections.detached import Flight
from valetkey.errors import CallError, UsageError


async def test_everyone_who_waits_gets_the_one_result() -> None:
    begun, got = 0, []
    go = anyio.Event()

    async def work() -> str:
        nonlocal begun
        begun += 1
        await go.wait()
        return "done"

    async def wait(flight: Flight[str]) -> None:
        got.append(await flight.landed())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            flight = Flight.begin(tasks, work)
            for _ in range(3):
                tasks.start_soon(wait, flight)
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert (begun, got) == (1, ["done"] * 3)


async def test_a_group_that_is_cancelled_lets_the_work_end() -> None:
    go, ended = anyio.Event(), anyio.Event()

    async def work() -> None:
        await go.wait()
        ended.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as around, anyio.create_task_group() as tasks:
            Flight.begin(tasks, work)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            around.start_soon(after_a_while, go)
    assert ended.is_set()


async def after_a_while(go: anyio.Event) -> None:
    await anyio.wait_all_tasks_blocked()
    go.set()


async def test_an_error_is_raised_to_each_and_the_group_goes_on() -> None:
    async def work() -> None:
        raise UsageError("no")

    cleared: list[bool] = []
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            flight = Flight.begin(tasks, work, after=lambda: cleared.append(True))
            for _ in range(2):
                with pytest.raises(UsageError):
                    await flight.landed()
    assert cleared == [True]


async def test_an_error_nobody_foresaw_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise KeyError("something")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(CallError) as caught:
                await Flight.begin(tasks, work).landed()
    assert caught.value.outcome == "unavailable"
    assert "something" not in caught.value.text
    assert "nobody foresaw" in caplog.text


async def test_of_an_error_that_nobody_foresaw_the_log_has_no_text(caplog: pytest.LogCaptureFixture) -> None:
    """Detached work handles codes and tokens: what an error says of it may hold one."""

    async def work() -> str:
        raise RuntimeError("canary-of-this-test")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(CallError):
                await Flight.begin(tasks, work).landed()
    assert "canary-of-this-test" not in caplog.text
    assert "RuntimeError at " in caplog.text
