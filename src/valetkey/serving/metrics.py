"""What a process counts, as Prometheus reads it: calls, refreshes, what waits and what fails.

No room counts anything for this. All that happens passes the audit, which tells one watcher of each event;
the way out tells of what failed, the refresher of its verdicts. Gauges are read when somebody asks. Without
an operator's port nobody watches, and a call pays one look at an attribute that is None.

Labels are connectors, providers, outcomes and codes of closed lists: no person, agent, connection or id.
"""

from collections.abc import Callable
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from valetkey.assemble import House
from valetkey.errors import EgressError
from valetkey.model import AuditEvent, Outcome

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_MOST_OPEN = 10_000
"""Calls whose duration is being taken; of more than that the oldest are not told."""

_OUTCOMES = frozenset(Outcome)
_CLOSED, _ENDED = "call.closed", "connection.needs_reauth"
_FAILED = frozenset({"integrity", "possible_token_theft", "registration.refused"})


class Metrics:
    """Counts for one house from `watch` on."""

    def __init__(self, house: House, timer: Callable[[], float] = perf_counter) -> None:
        self._house, self._timer = house, timer
        self._opened: dict[str, float] = {}
        self._connectors = house.ground.catalog.connectors
        self.registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._calls = Counter(
            "valetkey_calls", "Calls that ended.", ["connector", "outcome"], registry=registry
        )
        self._seconds = Histogram(
            "valetkey_call_seconds",
            "From a call's opening in the audit to its close.",
            ["connector"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._refreshes = Counter(
            "valetkey_refreshes", "Renewals of tokens.", ["provider", "verdict"], registry=registry
        )
        self._commits = Histogram(
            "valetkey_audit_commit_seconds",
            "How long a commit of calls' events took.",
            buckets=_COMMITS,
            registry=registry,
        )
        self._told = Counter(
            "valetkey_findings", "What somebody has to look at.", ["kind"], registry=registry
        )
        self._egress = Counter(
            "valetkey_egress_errors", "Requests without a usable answer.", ["kind"], registry=registry
        )
        self._states = Gauge("valetkey_connections", "Connections by state.", ["state"], registry=registry)
        self._under_way = Gauge("valetkey_refreshes_under_way", "Renewals under way now.", registry=registry)
        self._notices = Gauge("valetkey_notices", "Notices not delivered yet.", ["state"], registry=registry)

    def watch(self) -> None:
        """Be told from now on."""
        self._house.ground.audit.watch(self)
        self._house.ground.egress.failed = self.failed
        self._house.connections.refresher.watch(self.refused)

    def recorded(self, event: AuditEvent, call: str | None) -> None:
        """An event was appended to the audit."""
        if call is not None:
            self._call(event, call)
        elif event.kind == "tokens.refreshed":
            self._refreshes.labels(self._provider(str(event.core.get("connector"))), "ok").inc()
        elif event.kind == _ENDED:
            self._refreshes.labels(self._provider(str(event.core.get("connector"))), "dead").inc()
        elif event.kind in _FAILED:
            self._told.labels(event.kind).inc()

    def committed(self, seconds: float) -> None:
        """A commit of calls' events took so long."""
        self._commits.observe(seconds)

    def failed(self, error: EgressError) -> None:
        """A request or a mail brought no usable answer."""
        self._egress.labels(type(error).__name__).inc()

    def refused(self, connectors: frozenset[str], verdict: str) -> None:
        """A renewal brought nothing."""
        for provider in {self._provider(name) for name in connectors}:
            self._refreshes.labels(provider, verdict).inc()

    async def text(self) -> bytes:
        """Return all of it, in the form Prometheus reads."""
        for look in (self._look_at_connections, self._look_at_notices):
            await look()
        self._under_way.set(self._house.connections.refresher.under_way)
        return generate_latest(self.registry)

    def _call(self, event: AuditEvent, call: str) -> None:
        if event.kind == "call.opened":
            if len(self._opened) >= _MOST_OPEN:
                self._opened.pop(next(iter(self._opened)))
            self._opened[call] = self._timer()
        if event.kind != _CLOSED:
            return
        connector = self._connector(str(event.core.get("tool")))
        self._calls.labels(connector, _outcome(event)).inc()
        if (began := self._opened.pop(call, None)) is not None:
            self._seconds.labels(connector).observe(self._timer() - began)

    def _connector(self, tool: str) -> str:
        """A tool's connector; `other` for what no connector has: agents name tools, and can make up names."""
        name = tool.partition(".")[0]
        return name if name in self._connectors or name == "valetkey" else "other"

    def _provider(self, connector: str) -> str:
        found = self._connectors.get(connector)
        return found.provider if found else "other"

    async def _look_at_connections(self) -> None:
        for state, count in (await self._house.notices.survey.by_state()).items():
            self._states.labels(state).set(count)

    async def _look_at_notices(self) -> None:
        backlog = await self._house.notices.outbox.backlog(self._house.ground.store)
        self._notices.labels("waiting").set(backlog.waiting)
        self._notices.labels("given_up").set(backlog.given_up)


def _outcome(event: AuditEvent) -> str:
    outcome = str(event.core.get("outcome"))
    return outcome if outcome in _OUTCOMES else "unknown"
