"""The tools of the server itself, `valetkey.*`: what a model reads of them, and what they take and give.

They act on nothing outside and need no connection; `answering` carries them out.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from valetkey.calls.answering import Answering
from valetkey.manifest.arguments import Arguments
from valetkey.manifest.schema_tools import Arg
from valetkey.model import Caller, Effect, Json

Answer = Callable[[Caller, Mapping[str, Json]], Awaitable[dict[str, Json]]]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class OwnTool:
    """A tool that reads what this server knows. It is listed, checked and recorded as any other."""

    name: str
    title: str
    description: str
    arguments: Arguments
    output_schema: dict[str, Json]
    answer: Answer
    effect: Effect = Effect.READ
    sensitive: frozenset[str] = frozenset()

    @property
    def input_schema(self) -> dict[str, Json]:
        return self.arguments.schema

    @property
    def annotations(self) -> dict[str, bool]:
        """MCP's hints: it changes nothing, and its world is this server."""
        return {
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": False,
        }

    def check(self, arguments: Json) -> dict[str, Json]:
        """Return the arguments with defaults filled in. Raises CallError `invalid`."""
        return self.arguments.check(arguments)


def own_tools(answering: Answering) -> tuple[OwnTool, ...]:
    """Return the tools of this server, by name."""
    return (
        _tool("connect", "Ask for access", _CONNECT, _CONNECT_ARGS, _CONNECTED, answering.connect),
        _tool("connections", "Connected accounts", _CONNECTIONS, {}, _ACCOUNTS, answering.connections),
        _tool("wait", "Wait for the person", _WAIT, _WAIT_ARGS, _REQUESTS, answering.wait),
        _tool("whoami", "For whom you act", _WHOAMI, {}, _SELF, answering.whoami),
    )


def _tool(
    name: str, title: str, description: str, args: Mapping[str, Arg], output: dict[str, Json], answer: Answer
) -> OwnTool:
    arguments = Arguments(args, None)
    return OwnTool(f"valetkey.{name}", f"Valetkey: {title.lower()}", description, arguments, output, answer)


_CONNECT = """\
Ask the person you act for, once, for everything you are about to need: name the tools, or connectors \
whose reading tools you need. It brings one link for all that is missing; nothing happens until they have \
decided on the page behind it. If nothing is missing it says so. You may also just call a tool: it brings \
its own link."""
_CONNECTIONS = """\
Show which accounts the person has connected, which of their tools you may use, and what else can be \
connected. Where access has ended or you were not allowed anything, a link is given that they can open."""
_WAIT = """\
Wait, for at most 20 seconds, until the person has answered your open requests, and say how they stand. Call \
it after you have shown them a link: `met` means call the tool you wanted; `open` means wait again or go on \
with something else; `declined` means do not ask again; `expired` means ask anew if it is still needed."""
_WHOAMI = "Say for which person you act, as which agent, and until when."

_NAMES = {"type": "string", "minLength": 1, "maxLength": 100}
_CONNECT_ARGS = {
    "tools": Arg(
        type="array",
        description="Tools you are going to call, such as `gmail.list_unread`.",
        optional=True,
        items=_NAMES,
        max_items=30,
    ),
    "connectors": Arg(
        type="array",
        description="Connectors, such as `gmail`: all of their tools that only read.",
        optional=True,
        items=_NAMES,
        max_items=10,
    ),
    "another_account": Arg(
        type="boolean",
        description="Only where the person wants to connect one more account of one connector.",
        default=False,
    ),
}
_WAIT_ARGS = {
    "request": Arg(
        type="string",
        description="The id of one request; without it, all that are open.",
        optional=True,
        max_length=100,
    )
}


def _object(**properties: Any) -> dict[str, Json]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(item: dict[str, Json]) -> dict[str, Json]:
    return {"type": "array", "items": item}


_TEXT = {"type": "string"}
_MAYBE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_CONNECTED = _object(state=_TEXT, tools=_list(_TEXT), next=_TEXT)
_ACCOUNTS = _object(
    accounts=_list(
        _object(
            connector=_TEXT,
            account=_MAYBE,
            id=_TEXT,
            state=_TEXT,
            tools=_list(_TEXT),
            link=_MAYBE,
            request=_MAYBE,
        )
    ),
    not_connected=_list(_TEXT),
    next=_TEXT,
)
_REQUESTS = _object(
    requests=_list(_object(request=_TEXT, state=_TEXT, tools=_list(_TEXT), link=_MAYBE)), next=_TEXT
)
_SELF = _object(person=_TEXT, agent=_TEXT, until=_MAYBE)
