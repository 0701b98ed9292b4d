"""A call that is held for its person ends with the token it came with."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.town import Town, town
from tests.support.wire import text
from valetkey.needs import AccessRequest, Requests

UNREAD = {"limit": 1}


async def test_a_held_call_does_nothing_once_its_token_was_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with anyio.fail_after(30):
        async with town(tmp_path, hold=20) as here:
            ana, held = await here.newcomer(), _watched(here.house.requests, monkeypatch)
            async with here.wire(await here.token(ana)) as agent:
                first = await agent.call("gmail.list_unread", UNREAD)
                link = first["inputRequests"]["valetkey"]["params"]["url"]
                answers: list[dict[str, Any]] = []

                async def second_leg() -> None:
                    answers.append(
                        await agent.call("gmail.list_unread", UNREAD, first["requestState"], "accept")
                    )

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(second_leg)
                    await held.wait()
                    await _end_every_token(here)
                    await here.approve(link, ana.name, "ana@example.com")
            assert "session has ended" in answers[0]["error"]["message"], text(answers[0])
            assert here.sandbox.google.counters.api_calls.get("ana@example.com", 0) <= 1, "whoami alone"


def _watched(requests: Requests, monkeypatch: pytest.MonkeyPatch) -> anyio.Event:
    """An event that is set once a call waits for its person."""
    held, wait = anyio.Event(), requests.wait

    async def watched(request_id: str, seconds: float) -> AccessRequest:
        held.set()
        return await wait(request_id, seconds)

    monkeypatch.setattr(requests, "wait", watched)
    return held


async def _end_every_token(here: Town) -> None:
    store, sessions = here.house.ground.store, here.house.sessions
    async with store.transaction() as tx:
        for session in await sessions.all(tx, "token"):
            await sessions.end(tx, session.id)
