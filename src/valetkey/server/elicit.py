"""How a link reaches a person: elicited through a client that can (MCP 2026-07-28), else as text.

A call that waits comes back in legs. All legs share one call id, which rides sealed in the request
state, so that a replayed leg is never sent twice.
"""

import json
from dataclasses import dataclass, replace

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from valetkey.errors import NeedsPerson
from valetkey.model import CallId

KEY = "valetkey"
HOLD_SECONDS = 15.0
"""How long a leg is held open for the person: clients give up after ten legs, not after a time."""

MOST_LEGS = 6
Context = ServerRequestContext[object, object]


@dataclass(frozen=True, slots=True)
class Legs:
    """Where a call stands between two of its legs. `request`: the access request it waits for."""

    call: CallId
    request: str | None = None
    count: int = 0

    @classmethod
    def of(cls, state: str | None, first: CallId) -> "Legs":
        """Read the request state, which the boundary has opened and verified; None: a first leg."""
        if state is None:
            return cls(first)
        told = json.loads(state)
        return cls(CallId(told["call"]), told["request"], told["count"])

    def state(self) -> str:
        return json.dumps({"call": self.call, "request": self.request, "count": self.count})

    def waiting_for(self, need: NeedsPerson, fresh: CallId) -> "Legs":
        """The next leg: one more, under a new id where the upstream turned this one away."""
        call = fresh if need.resend else self.call
        return replace(self, call=call, request=need.request, count=self.count + 1)


def action(params: types.CallToolRequestParams) -> str | None:
    """What the person did with the elicited link: accept, decline, cancel, or None: not asked yet."""
    answer = (params.input_responses or {}).get(KEY)
    return answer.action if isinstance(answer, types.ElicitResult) else None


def can_elicit(ctx: Context) -> bool:
    """Whether this client, in this era, takes a URL. `elicitation: {}` alone means forms only."""
    capabilities = ctx.session.client_capabilities
    declared = bool(capabilities and capabilities.elicitation and capabilities.elicitation.url is not None)
    return declared and ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def asking(need: NeedsPerson, legs: Legs, now: Legs) -> types.InputRequiredResult:
    """The next leg: with the link when it is a new one, else only *not yet*."""
    if need.request == legs.request:
        return types.InputRequiredResult(request_state=now.state())
    link = types.ElicitRequestURLParams(message=need.wants, url=need.link)
    return types.InputRequiredResult(
        input_requests={KEY: types.ElicitRequest(params=link)}, request_state=now.state()
    )
