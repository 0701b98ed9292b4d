"""How a link reaches a person through their client, in each era of MCP; where none can take it, as text.

2026-07-28: the call comes back in legs, which share one call id that rides sealed in the request state.
2025-11-25: the link is pushed while the call is held, or, with no way back, answered as error -32042.
"""

import json
from dataclasses import dataclass, replace
from enum import StrEnum

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from valetkey.errors import NeedsPerson
from valetkey.model import CallId

KEY = "valetkey"
HOLD_SECONDS = 15.0
"""How long a leg is held open for the person: clients give up after ten legs, not after a time."""

MOST_LEGS = 6
PUSHED_HOLDS = 3
"""How many times as long a pushed link is waited for: that call has one leg, and clients allow a minute."""

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


class Way(StrEnum):
    """The way a link takes to a person. What a client declares decides, never its name."""

    LEGS = "legs"
    PUSH = "push"
    ERROR = "error"
    TEXT = "text"


def way(ctx: Context) -> Way:
    """Return the way this client takes links. `elicitation: {}` alone means forms only: then, text."""
    capabilities = ctx.session.client_capabilities
    if not (capabilities and capabilities.elicitation and capabilities.elicitation.url is not None):
        return Way.TEXT
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return Way.LEGS
    return Way.PUSH if ctx.session.can_send_request else Way.ERROR


async def pushed(ctx: Context, need: NeedsPerson) -> str:
    """Push the link to the client that made this request, and return what its person did with it."""
    # Without the related request id it would go to a stream that this client may never have opened.
    answer = await ctx.session.elicit_url(need.wants, need.link, need.request, ctx.request_id)
    return answer.action


async def completed(ctx: Context, need: NeedsPerson) -> None:
    """Tell the client that was asked, and no other, that the person is done."""
    await ctx.session.send_elicit_complete(need.request, ctx.request_id)


def required(need: NeedsPerson) -> UrlElicitationRequiredError:
    """The link as error -32042: the client opens it and makes the call again (2025-11-25 alone)."""
    link = types.ElicitRequestURLParams(message=need.wants, url=need.link, elicitation_id=need.request)
    return UrlElicitationRequiredError([link])


def asking(need: NeedsPerson, legs: Legs, now: Legs) -> types.InputRequiredResult:
    """The next leg: with the link when it is a new one, else only *not yet*."""
    if need.request == legs.request:
        return types.InputRequiredResult(request_state=now.state())
    link = types.ElicitRequestURLParams(message=need.wants, url=need.link)
    return types.InputRequiredResult(
        input_requests={KEY: types.ElicitRequest(params=link)}, request_state=now.state()
    )
