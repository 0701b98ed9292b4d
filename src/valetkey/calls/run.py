"""Carries a tool out: its request, its steps or its hook, and the reply made into a result.

`run` knows nothing about who is calling. The credential is put on by the `upstream` it is handed;
whether the call may happen was settled before, in `perform`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import anyio

from valetkey.egress import Outgoing, Upstream
from valetkey.errors import CallError, EgressAnswerLost, EgressError, EgressUnreachable
from valetkey.manifest.clean import clean
from valetkey.manifest.connector import Step, Tool
from valetkey.manifest.contexts import Unfit
from valetkey.manifest.paging import Page
from valetkey.manifest.paths import parse_line
from valetkey.manifest.replies import Reply, retry_after
from valetkey.manifest.requests import Encoding, Request, RequestTemplate, Response
from valetkey.manifest.shape import capped, shaped
from valetkey.model import Effect, Json, Outcome

MOST_ITEMS = 50
AT_ONCE = 8
HOOK_SECONDS = 30
MOST_BYTES = 70_000
"""Of a file, which in base64 still fits under the cap of a result: a file is never cut."""

LONGEST_PAUSE = 5.0
"""Seconds a Retry-After may ask for and still be waited out inside the call."""

_GATEWAY = (502, 503, 504)
_T = TypeVar("_T")
Sleep = Callable[[float], Awaitable[None]]


async def run(
    tool: Tool,
    arguments: Mapping[str, Json],
    upstream: Upstream,
    *,
    key: str = "",
    sleep: Sleep = anyio.sleep,
) -> dict[str, Json]:
    """Return the result of a tool whose arguments were checked. Raises CallError.

    `key` names this one call where the API has an idempotency header; without one none is sent.
    """
    work = _Work(tool, dict(arguments), upstream, key, sleep)
    try:
        result = await (work.hooked(tool.hook) if tool.hook else work.stepped())
    except CallError as error:
        if work.wrote and error.outcome == Outcome.RECONNECT:
            raise work.lost() from None  # the last request did nothing, but one before it did
        raise
    return _fitting(tool, result)


def _fitting(tool: Tool, result: Json) -> dict[str, Json]:
    """Cap a result, and hold it to the schema that was published for it."""
    try:
        small = capped(result) if isinstance(result, dict) else None
    except ValueError:
        raise CallError(Outcome.FAILED, "The result is too large. Ask for something narrower.") from None
    if small is None or not tool.output.is_valid(small):
        title = tool.connector.title
        raise CallError(Outcome.FAILED, f"{title} answered with something this tool does not expect.")
    return small


class _Work:
    """One call under way."""

    def __init__(
        self, tool: Tool, arguments: dict[str, Json], upstream: Upstream, key: str, sleep: Sleep
    ) -> None:
        self.tool, self.arguments = tool, arguments
        self._upstream, self._key, self._sleep = upstream, key, sleep
        self._values = self._with_cursor(arguments)
        self._size, self._note = 0, ""
        self.wrote = False  # whether a request that may change something was answered well

    def _with_cursor(self, arguments: dict[str, Json]) -> dict[str, Json]:
        if self.tool.pager is None or "cursor" not in arguments:
            return arguments
        return {**arguments, "cursor": self.tool.pager.value(arguments["cursor"])}

    async def stepped(self) -> Json:
        """Send the requests one after another, and shape what they brought."""
        head, *rest = self.tool.steps
        first = await self.send(head.request, self._values)
        value = self.value(head.request, first)
        replies = {head.name: value}
        for step in rest:
            replies[step.name] = await self._step(step, replies)
        result = await shaped(self.tool.result, value if self.tool.single else replies, self._size)
        return self._noted(self._paged(result, value, first))

    async def _step(self, step: Step, replies: Mapping[str, Json]) -> Json:
        if step.each is not None:
            return await self._for_each(step, clean(step.each.search(replies)) or [])
        return self.value(step.request, await self.send(step.request, self._values))

    async def _for_each(self, step: Step, items: Json) -> list[Json]:
        if not isinstance(items, list):
            raise self.tool.connector.replies.refused(Outcome.FAILED)
        if len(items) > MOST_ITEMS:
            self._note = f"Only the first {MOST_ITEMS} of {len(items)} items were fetched. Ask for fewer."

        async def one(item: Json) -> Json:
            return self.value(step.request, await self.send(step.request, {**self._values, "each": item}))

        return await each(items[:MOST_ITEMS], one)

    def value(self, request: RequestTemplate, reply: Reply) -> Json:
        self._size += len(reply.body)
        if request.response == "bytes" and len(reply.body) > MOST_BYTES:
            raise CallError(Outcome.FAILED, f"The file is too large: more than {MOST_BYTES} bytes.")
        value = self.tool.connector.replies.value(reply, request.response, self.tool.effect)
        self.wrote |= self.tool.effect is not Effect.READ and request.line.method != "GET"
        return value

    def _paged(self, result: Json, value: Json, reply: Reply) -> Json:
        """Put the items of a list beside the cursor that goes on from them."""
        if self.tool.pager is None:
            return result
        items = [] if result is None else result
        try:
            page = Page(value, reply.headers, len(items), self.arguments)
            return {"items": items, "next_cursor": self.tool.pager.next(page)}
        except (TypeError, ValueError):
            raise self.tool.connector.replies.refused(Outcome.FAILED) from None

    def _noted(self, result: Json) -> Json:
        return {**result, "note": self._note} if self._note and isinstance(result, dict) else result

    async def hooked(self, hook: Callable[[Any], Awaitable[Json]]) -> Json:
        """Let the hook make the result, in its time."""
        try:
            with anyio.fail_after(HOOK_SECONDS):
                return clean(await hook(HookCall(self)))
        except TimeoutError:
            raise self.lost() from None
        except (CallError, EgressError):
            raise
        except Exception as error:
            # The message may hold anything: the chain keeps it for the log, the text does not.
            raise self.tool.connector.replies.refused(Outcome.FAILED) from error

    async def send(self, template: RequestTemplate, values: Mapping[str, Json]) -> Reply:
        """Send one request, and once more where that cannot do anything twice."""
        request = self._filled(template, values)
        reply = await self._sent(request)
        pause = self._pause(reply)
        if pause is None:
            return reply
        await self._sleep(pause)
        return await self._sent(request)

    def _filled(self, template: RequestTemplate, values: Mapping[str, Json]) -> Request:
        try:
            request = template.fill(self.tool.connector.base_url, values)
        except Unfit as error:
            if error.name in self.arguments:
                raise CallError(Outcome.INVALID, f"The argument {error}.") from None
            raise self.tool.connector.replies.refused(Outcome.FAILED) from None
        if self.tool.idempotency and self._key:
            return request._replace(headers=(*request.headers, (self.tool.idempotency, self._key)))
        return request

    async def _sent(self, request: Request) -> Reply:
        replies = self.tool.connector.replies
        try:
            return await self._upstream.send(Outgoing(*request), expired=replies.expired)
        except EgressAnswerLost:
            raise self.lost() from None
        except EgressUnreachable:
            raise replies.refused(Outcome.UNAVAILABLE) from None
        except EgressError:
            raise CallError(
                Outcome.FAILED,
                f"{replies.title}'s answer could not be used, or the request could not be sent.",
            ) from None

    def lost(self) -> CallError:
        lost = Outcome.UNAVAILABLE if self.tool.effect is Effect.READ else Outcome.UNKNOWN
        return self.tool.connector.replies.refused(lost)

    def _pause(self, reply: Reply) -> float | None:
        """Return the seconds after which to repeat a request, or None: a write was perhaps carried out."""
        asked = retry_after(reply)
        if asked is not None and asked > LONGEST_PAUSE:
            return None
        if reply.status == 429:
            return asked
        harmless = self.tool.effect is Effect.READ or self.tool.idempotent
        return (asked or 0.5) if harmless and reply.status in _GATEWAY else None


class HookCall:
    """What a hook is given: `args`, `request` and `each`. It never holds the credential."""

    def __init__(self, work: _Work) -> None:
        self.args: Mapping[str, Json] = dict(work.arguments)
        self._work = work

    async def request(
        self,
        line: str,
        *,
        path: Mapping[str, Json] | None = None,
        query: Mapping[str, Json] | None = None,
        json: Json = None,
        response: Response = "json",
    ) -> Json:
        """Send `"POST /messages/{id}"` and return the reply; its placeholders are filled from `path`."""
        encoding: Encoding | None = "json" if json is not None else None
        headers = {"accept": "application/json", **self._work.tool.connector.headers}
        template = RequestTemplate(parse_line(line), query or {}, headers, json, encoding, response)
        return self._work.value(template, await self._work.send(template, path or {}))

    async def each(self, items: Sequence[_T], do: Callable[[_T], Awaitable[Json]]) -> list[Json]:
        """Run `do` for at most 50 items, 8 at a time; results in the order of the items."""
        return await each(list(items)[:MOST_ITEMS], do)


async def each(items: Sequence[_T], do: Callable[[_T], Awaitable[Json]]) -> list[Json]:
    """Run `do` for each item, 8 at a time. The first error ends them all and is raised."""
    results: list[Json] = [None] * len(items)
    errors: list[Exception] = []
    waiting = iter(enumerate(items))
    async with anyio.create_task_group() as group:

        async def worker() -> None:
            try:
                for place, item in waiting:
                    results[place] = await do(item)
            except Exception as error:  # noqa: BLE001 - raised below, without the group around it
                errors.append(error)
                group.cancel_scope.cancel()

        for _ in range(min(AT_ONCE, len(items))):
            group.start_soon(worker)
    if errors:
        raise errors[0]
    return results
