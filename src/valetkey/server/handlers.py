"""`tools/list` and `tools/call`: from the protocol's types to `calls.perform` and back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic_core import to_json

from valetkey.calls.arguments import schema_with_account
from valetkey.calls.own import OwnTool
from valetkey.calls.perform import Calls
from valetkey.errors import CallError, IntegrityError, NeedsPerson, StoreError, Unauthenticated
from valetkey.grants import Grants
from valetkey.manifest import Tool
from valetkey.model import Caller, CallId, Ids, Json, Outcome
from valetkey.needs import AccessRequest, Requests
from valetkey.server.callers import Callers
from valetkey.server.elicit import (
    HOLD_SECONDS,
    MOST_LEGS,
    PUSHED_HOLDS,
    Context,
    Legs,
    Way,
    action,
    asking,
    completed,
    pushed,
    required,
    way,
)

Answer = types.CallToolResult | types.InputRequiredResult


@dataclass(frozen=True, slots=True)
class Begun:
    """A first leg that was carried out before the SDK saw its request, and what it came to."""

    call: CallId
    error: Exception


begun: ContextVar[Begun | None] = ContextVar("begun", default=None)
"""What `call_tool` goes on from, for a request that was begun."""


async def _always(_: Caller) -> None:
    """Over HTTP the pages are up whenever the endpoint is."""


class Handlers:
    """The two handlers of the server, and the listing prepared once.

    `spelled` gives a tool's name as it is listed; calls may use either spelling. `reachable` raises
    CallError when this caller's person could not open a link now.
    """

    def __init__(
        self,
        calls: Calls,
        grants: Grants,
        requests: Requests,
        callers: Callers,
        ids: Ids,
        hold: float = HOLD_SECONDS,
        *,
        spelled: Callable[[str], str] = str,
        reachable: Callable[[Caller], Awaitable[None]] = _always,
    ) -> None:
        self._calls, self._grants, self._requests = calls, grants, requests
        self._callers, self._ids, self._hold, self._reachable = callers, ids, hold, reachable
        tools: list[Tool | OwnTool] = [*calls.catalog.tools, *calls.own]
        self._listed = {tool.name: _listed(tool, spelled(tool.name)) for tool in tools}

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """The schema of a tool's arguments, so that a call need not run the whole listing."""
        return self._calls.tool(name).input_schema if self._calls.knows(name) else None

    async def list_tools(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """List every tool but those this caller's person has refused it; none to an agent that is suspended.

        What was never asked for is listed: it can be. Where the person has several accounts, their tools
        take one more argument that says which. The order is the catalog's, by name.
        """
        caller = await self._arrived()
        if await self._calls.policy.stopped(caller):
            return types.ListToolsResult(tools=[])
        tools = self._calls.catalog.tools
        refused = await self._grants.refused(caller.principal, caller.actor.client, tools)
        several = await self._calls.accounts.several(caller.principal)
        shown = [tool for tool in tools if tool.name not in refused]
        theirs = [self._shown(tool, several.get(tool.connector.name)) for tool in shown]
        return types.ListToolsResult(tools=[*theirs, *(self._listed[tool.name] for tool in self._calls.own)])

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Answer:
        """Carry out one leg of a call: its result, a link to open first, or why not, in words for a model."""
        caller, before = await self._arrived(), begun.get()
        legs = Legs.of(params.request_state, before.call if before else self.new_call())
        did, waited = action(params), None
        try:
            if waited := await self._waited_for(legs, did):
                caller = await self._caller()  # whose token may have ended while the call was held
            if did == "decline" or (waited and waited.state == "declined"):
                await self._declined(caller, params, legs.call)
            return await self._performed(caller, params, legs.call)
        except NeedsPerson as need:
            if did == "cancel" or legs.count >= MOST_LEGS or _in_vain(waited, need):
                return _refused(need)
            return await self._asked(ctx, caller, params, legs, need)
        except CallError as error:
            self._refuse_unknown(params.name, error)
            return _refused(error)

    def _shown(self, tool: Tool, accounts: Sequence[str] | None) -> types.Tool:
        listed = self._listed[tool.name]
        if accounts is None:
            return listed
        return listed.model_copy(update={"input_schema": schema_with_account(tool, accounts)})

    def new_call(self) -> CallId:
        """An id for a call that has just come in."""
        return CallId(self._ids.new("cal"))

    async def perform(
        self, caller: Caller, name: str, arguments: Mapping[str, Json], call: CallId
    ) -> dict[str, Json]:
        """Carry out a call. Raises CallError, whatever it is that keeps it from being done."""
        try:
            return await self._calls.perform(caller, name, arguments, call)
        except StoreError:
            text = "This could not be recorded, so it was not done. The operator has to look at the store."
            raise CallError(Outcome.UNAVAILABLE, text) from None
        except IntegrityError:
            text = "A sealed record of this server does not open. Its operator has to look at the store."
            raise CallError(Outcome.FAILED, text) from None

    async def _performed(
        self, caller: Caller, params: types.CallToolRequestParams, call: CallId
    ) -> types.CallToolResult:
        before = begun.get()
        if before and before.call == call:
            raise before.error
        return _done(await self.perform(caller, params.name, params.arguments or {}, call))

    async def _declined(self, caller: Caller, params: types.CallToolRequestParams, call: CallId) -> None:
        await self._calls.declined(caller, params.name, params.arguments or {}, call)

    async def _asked(
        self,
        ctx: Context,
        caller: Caller,
        params: types.CallToolRequestParams,
        legs: Legs,
        need: NeedsPerson,
    ) -> Answer:
        """Send the link the way this client takes it, once it is known that it can be opened."""
        try:
            await self._reachable(caller)
        except CallError as error:
            return _refused(error)
        next_leg = legs.waiting_for(need, self.new_call())
        match way(ctx):
            case Way.LEGS:
                return asking(need, legs, next_leg)
            case Way.PUSH:
                return await self._held(ctx, caller, params, next_leg, need)
            case Way.ERROR:
                raise required(need)
            case Way.TEXT:
                return _refused(need)

    async def _held(
        self,
        ctx: Context,
        caller: Caller,
        params: types.CallToolRequestParams,
        legs: Legs,
        need: NeedsPerson,
    ) -> types.CallToolResult:
        """Hold a call while its person decides on the link that was pushed; then it goes on."""
        did = await pushed(ctx, need)
        if did == "cancel":
            return _refused(need)
        try:
            declined = did == "decline" or await self._said_no(need.request)
            caller = await self._caller()  # whose token may have ended while the call was held
            if declined:
                await self._declined(caller, params, legs.call)
            result = await self._performed(caller, params, legs.call)
        except CallError as error:  # a link that is still open, or a new one, then is text
            return _refused(error)
        await completed(ctx, need)
        return result

    async def _waited_for(self, legs: Legs, did: str | None) -> AccessRequest | None:
        """Wait a while for the person's answer on the page, unless the client has brought one."""
        if legs.request is None or did in {"decline", "cancel"}:
            return None
        return await self._requests.wait(legs.request, self._hold)

    async def _said_no(self, request: str) -> bool:
        """Wait, for as long as there are no legs to wait in, for the person's answer on the page."""
        return (await self._requests.wait(request, self._hold * PUSHED_HOLDS)).state == "declined"

    async def _arrived(self) -> Caller:
        """Who calls, as a request comes in. Over stdio a token can end while the pipe stays open."""
        return await self._known_by(self._callers.arrived())

    async def _caller(self) -> Caller:
        """Who calls, now that time has passed since the request came in."""
        return await self._known_by(self._callers.current())

    async def _known_by(self, found: Awaitable[Caller]) -> Caller:
        """Whoever is refused in the middle is told so by an error of the protocol."""
        try:
            return await found
        except Unauthenticated as refused:
            raise MCPError(code=types.INVALID_REQUEST, message=str(refused)) from None

    def _refuse_unknown(self, name: str, error: CallError) -> None:
        """A tool that does not exist is an error of the protocol, not of a tool."""
        if error.outcome == Outcome.NOT_FOUND and not self._calls.knows(name):
            raise MCPError(code=types.INVALID_PARAMS, message=error.text) from None


def _in_vain(waited: AccessRequest | None, need: NeedsPerson) -> bool:
    """Whether the person has answered and the very same is missing still: to ask on would go in circles."""
    return waited is not None and waited.state == "met" and waited.outcome == need.outcome


def _listed(tool: Tool | OwnTool, name: str) -> types.Tool:
    hints = types.ToolAnnotations.model_validate({"title": tool.title, **tool.annotations})
    return types.Tool(
        name=name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=hints,
    )


def _done(result: dict[str, Json]) -> types.CallToolResult:
    text = types.TextContent(type="text", text=to_json(result).decode())
    return types.CallToolResult(content=[text], structured_content=result)


def _refused(error: CallError) -> types.CallToolResult:
    meta: dict[str, Any] = {"valetkey/outcome": str(error.outcome)}
    if error.retry_after is not None:
        meta["valetkey/retry_after"] = error.retry_after
    if isinstance(error, NeedsPerson):
        meta["valetkey/connect_url"] = error.link
    text = types.TextContent(type="text", text=f"[{error.outcome}] {error.text}")
    return types.CallToolResult(content=[text], is_error=True, _meta=meta)
