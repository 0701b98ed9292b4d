"""A hostile upstream in the three places where one is asked: a call, a code's exchange, a refresh.

Between the house and the sandbox stands somebody who passes everything on, until told to attack. Each
attack ends in one error of ours, in time; the other origin hears nothing; the next call is the right one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from tests.egress.hostile import ACTIVE, PLAIN, Hostile, hostile
from tests.support.clock import FakeClock
from tests.support.linked import PRINCIPAL, Linked, moved_in
from tests.support.town import NOTES, register, settings_for
from valetkey.assemble import opened
from valetkey.egress import Egress, Incoming, Limits, Outgoing
from valetkey.egress.out import DEFAULT
from valetkey.errors import CallError, PageError
from valetkey.model import MINUTE
from valetkey.sandbox import Sandbox, hosts

SECRETS = ("strict-access", "strict-refresh", "127.0.0.1", "elsewhere.example", "Traceback", "aiohttp")
STRICT, ELSEWHERE = "https://strict.example", "https://elsewhere.example"
NEVER_ENDING = {"hang", "drip-body", "drip-head"}
ATTACKS = sorted((PLAIN.keys() | ACTIVE.keys()) - {"not-modified", "unauthorized"})
"""All that a raw socket says to the tests of `egress`: also the honest ones are no answer to this."""


@dataclass
class Between(Hostile):
    """Passes on what comes, or attacks."""

    behind: str = ""
    attack: str = ""

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        if not self.attack:
            await self._pass_on(request, writer)
        elif self.attack in ACTIVE:
            await ACTIVE[self.attack](writer)
        else:
            writer.write(PLAIN[self.attack])
            await writer.drain()

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.behind)
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        back.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        writer.write(await there.read())
        await writer.drain()
        back.close()


@dataclass
class Place:
    """A house whose one provider can turn hostile, and another origin that listens."""

    linked: Linked
    provider: Between
    elsewhere: Hostile

    @contextmanager
    def attacked(self, attack: str) -> Iterator[None]:
        self.provider.attack = attack
        yield
        self.provider.attack = ""

    async def refused(self, what: Callable[[], Awaitable[object]]) -> str:
        """Do something that cannot succeed now; the outcome, or the status of the page that says so."""
        try:
            with anyio.fail_after(10):
                await what()
        except (CallError, PageError) as error:
            said = str(error)
            outcome = error.outcome if isinstance(error, CallError) else str(error.status)
            return outcome if not [secret for secret in SECRETS if secret in said] else said
        raise AssertionError("it succeeded")


@pytest.fixture
async def place(
    served: Sandbox, turning: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    served.reset()
    between = Between(behind=hosts(served.base_url)[STRICT])
    async with hostile(host=between) as provider, hostile() as elsewhere:
        assert provider is between
        rerouted = {STRICT: between.origin, ELSEWHERE: elsewhere.origin}
        settings = settings_for(tmp_path, served.base_url, NOTES, rerouted)
        async with opened(settings, clock=turning) as house:
            await register(house, "notes")
            monkeypatch.setattr(Egress, "send", _impatient(between))
            yield Place(await moved_in(house, served, turning), between, elsewhere)
            assert elsewhere.connections == 0, "no answer leads anywhere else"
        served.reset()


def _impatient(between: Between) -> Callable[..., Awaitable[Incoming]]:
    """What never ends has a fifth of a second here, where it would have half a minute."""
    send = Egress.send

    async def sent(self: Egress, request: Outgoing, **more: Any) -> Incoming:
        if between.attack in NEVER_ENDING:
            more["limits"] = Limits(0.2, more.get("limits", DEFAULT).bytes)
        return await send(self, request, **more)

    return sent


async def test_a_call_ends_in_one_error_and_the_next_is_answered(place: Place) -> None:
    await place.linked.connect()
    outcomes = set[str]()
    for attack in ATTACKS:
        with place.attacked(attack):
            outcomes.add(await place.refused(place.linked.call))
        assert await place.linked.call(), attack
    assert outcomes == {"failed", "unavailable"}


async def test_a_refresh_changes_nothing_and_is_got_over(place: Place) -> None:
    connection = await place.linked.connect()
    for attack in ATTACKS:
        place.linked.clock.advance(10 * MINUTE)
        with place.attacked(attack):
            assert await place.refused(place.linked.call) == "unavailable", attack
        place.linked.clock.advance(16 * MINUTE)  # an endpoint that failed is left alone for a while
        assert await place.linked.call(), attack
        assert await place.linked.state(connection) == ("connected", None)


async def test_the_exchange_of_a_code_connects_nothing(place: Place) -> None:
    first = await place.linked.connect()
    for attack in ATTACKS:
        with place.attacked(attack):
            assert await place.refused(place.linked.connect) == "502", attack
        assert await place.linked.call(), attack
    connected = await place.linked.house.connections.rows.of(PRINCIPAL)
    assert [one.id for one in connected] == [first.id]
