"""The operator's port: metrics without anybody's name, and health that means it; none of it in public."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from prometheus_client.parser import text_string_to_metric_families

from tests.support.clock import FakeClock
from tests.support.desk import free_port, until
from tests.support.town import NOTES, Town, settings_for, town
from valetkey.assemble import House, opened
from valetkey.errors import EgressUnreachable
from valetkey.model import MINUTE, AuditEvent
from valetkey.serving import listen, running
from valetkey.serving.metrics import Metrics
from valetkey.serving.readiness import Readiness


@dataclass(slots=True)
class Watched:
    """A town whose operator's port is at `url`."""

    town: Town
    url: str
    http: httpx2.AsyncClient

    async def samples(self) -> dict[str, float]:
        """What Prometheus reads: each sample by its name and labels."""
        answer = await self.http.get(f"{self.url}/metrics")
        families = text_string_to_metric_families(answer.text)
        return {
            f"{one.name}{sorted(one.labels.items())}": one.value
            for family in families
            for one in family.samples
        }

    async def ready(self) -> tuple[int, dict[str, str]]:
        self.town.clock.advance(2_000)  # what was found is good for a second
        answer = await self.http.get(f"{self.url}/readyz")
        return answer.status_code, answer.json()["problems"]

    async def in_public(self, path: str) -> httpx2.Response:
        return await self.http.get(f"{self.town.url}{path}")


@asynccontextmanager
async def watched(home: Path) -> AsyncIterator[Watched]:
    port = free_port()
    more = f'{NOTES}\n[operator]\nlisten = "127.0.0.1:{port}"'
    async with town(home, more=more, clients=("notes",)) as here, httpx2.AsyncClient(trust_env=False) as http:
        found = Watched(here, f"http://127.0.0.1:{port}", http)
        await here.house.jobs.once()
        await until(lambda: _answers(found), 20)
        yield found


async def _answers(found: Watched) -> bool:
    try:
        return (await found.http.get(f"{found.url}/healthz")).is_success
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    async with watched(tmp_path_factory.mktemp("home")) as found:
        yield found


async def test_calls_are_counted_by_connector_and_outcome_with_how_long_they_took(here: Watched) -> None:
    person = await here.town.newcomer()
    token = await here.town.connected(person, "notes.list_notes")
    async with here.town.client(token) as client:
        for name in ("notes.list_notes", "notes.list_notes", "no-such.tool", "evil{}\n.tool"):
            with suppress(MCPError):
                await client.call_tool(name, {})
    await here.town.records(person)  # all that waits to be written is
    found = await here.samples()
    assert found["valetkey_calls_total[('connector', 'notes'), ('outcome', 'ok')]"] >= 2
    assert found["valetkey_calls_total[('connector', 'other'), ('outcome', 'not_found')]"] == 2
    assert found["valetkey_call_seconds_count[('connector', 'notes')]"] >= 2
    assert found["valetkey_audit_commit_seconds_count[]"] > 0
    assert found["valetkey_connections[('state', 'connected')]"] >= 1
    assert "process_open_fds[]" in found


async def test_no_label_names_anybody_or_grows_with_them(here: Watched) -> None:
    person = await here.town.newcomer()
    await here.town.connected(person, "notes.list_notes")
    text = (await here.http.get(f"{here.url}/metrics")).text
    for name in (person.name, person.subject, "ana@example.com", "con_", "triage", "my-notes"):
        assert name not in text


async def test_refreshes_are_counted_by_provider_and_what_they_mean(here: Watched) -> None:
    house, before = here.town.house, await here.samples()
    facts = {"connection": "con_1", "connector": "notes"}
    await house.ground.audit.note(AuditEvent("tokens.refreshed", "system", None, None, facts))
    await house.ground.audit.note(AuditEvent("connection.needs_reauth", "system", None, None, facts))
    house.connections.refresher._setbacks.seen(frozenset({"notes"}), "transient")
    house.ground.egress.failed(EgressUnreachable(""))
    found = await here.samples()
    for verdict in ("ok", "dead", "transient"):
        name = f"valetkey_refreshes_total[('provider', 'notes'), ('verdict', '{verdict}')]"
        assert found[name] - before.get(name, 0) == 1
    assert found["valetkey_egress_errors_total[('kind', 'EgressUnreachable')]"] >= 1
    assert found["valetkey_refreshes_under_way[]"] == 0


async def test_the_public_port_says_whether_and_nothing_else(here: Watched) -> None:
    assert (await here.in_public("/metrics")).status_code == 404
    ready = await here.in_public("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
    assert (await here.in_public("/healthz")).json() == {"status": "ok"}


async def test_it_is_not_ready_while_nobody_does_the_jobs(here: Watched) -> None:
    assert await here.ready() == (200, {})
    here.town.clock.advance(5 * MINUTE)
    status, problems = await here.ready()
    assert (status, list(problems)) == (503, ["jobs"])
    public = await here.in_public("/readyz")
    assert (public.status_code, public.json()) == (503, {"status": "not_ready"})
    assert (await here.http.get(f"{here.url}/healthz")).status_code == 200, "it lives all the same"
    await here.town.house.jobs.once()
    assert await here.ready() == (200, {})


async def test_a_page_of_another_name_may_not_read_it(here: Watched) -> None:
    """A name that somebody else's server gives to this machine (DNS rebinding)."""
    answer = await here.http.get(f"{here.url}/metrics", headers={"Host": "evil.example"})
    assert answer.status_code == 400


@pytest.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    """A house that nobody serves, with somebody who does its jobs."""
    async with opened(settings_for(tmp_path, "http://localhost:1"), clock=clock) as found:
        await found.jobs.once()
        yield found


async def test_a_store_that_takes_no_writes_is_not_ready(house: House, clock: FakeClock) -> None:
    readiness = Readiness(house)
    assert await readiness.problems() == {}
    async with house.ground.store.transaction() as tx:
        await tx.run("CREATE TRIGGER full BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no room'); END")
    clock.advance(2_000)
    assert list(await readiness.problems()) == ["store"]


async def test_a_copy_of_the_store_that_is_not_the_live_one_is_not_ready(house: House) -> None:
    house.ground.gate.asleep = lambda: "it is a backup"  # type: ignore[method-assign]  # it looks again
    assert await Readiness(house).problems() == {"copy": "it is a backup"}


async def test_asked_to_stop_it_is_not_ready_first_and_serves_on(house: House) -> None:
    readiness = Readiness(house)
    readiness.stopping = True
    assert await readiness.problems() == {"stopping": "it was asked to stop"}


async def test_whoever_asks_learns_of_a_stop_before_anybody_is_turned_away(tmp_path: Path) -> None:
    port, stop = free_port(), anyio.Event()
    with listen("127.0.0.1", 0) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        settings = settings_for(tmp_path, url, f'[operator]\nlisten = "127.0.0.1:{port}"\ndrain = 60')
        async with opened(settings, public_url=url) as house, anyio.create_task_group() as tasks:
            tasks.start_soon(_serve_until, house, listener, stop)
            async with httpx2.AsyncClient(trust_env=False) as http:
                ready = partial(_status, http, f"http://127.0.0.1:{port}/readyz")
                await until(partial(_is, ready, 200))
                stop.set()
                await until(partial(_is, ready, 503))
                assert await _status(http, f"{url}/readyz") == 503
                assert await _status(http, f"{url}/signin") == 200, "it serves on for as long as it drains"
            tasks.cancel_scope.cancel()
        assert listener.fileno() == -1, "a server that is cancelled lets go of its listeners"


async def _serve_until(house: House, listener: socket.socket, stop: anyio.Event) -> None:
    async with running(house, listener):
        await stop.wait()


async def _status(http: httpx2.AsyncClient, url: str) -> int:
    try:
        return (await http.get(url)).status_code
    except httpx2.TransportError:
        return 0


async def _is(asked: Callable[[], Awaitable[int]], status: int) -> bool:
    return await asked() == status


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken, listen("127.0.0.1", 0) as free:
        more = f'[operator]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"'
        with pytest.raises(BaseExceptionGroup) as refused:
            async with town(tmp_path, more=more, clients=(), listener=free):
                await anyio.sleep(5)
        assert "cannot be used" in str(refused.value.exceptions[0])


async def test_a_crowd_of_calls_that_never_end_costs_no_memory(here: Watched) -> None:
    metrics = Metrics(here.town.house)
    for number in range(10_050):
        metrics.recorded(AuditEvent("call.opened", "agent", None, None, {"tool": "notes.x"}), f"cal_{number}")
    assert len(metrics._opened) == 10_000
