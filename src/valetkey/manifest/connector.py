"""What the rest of the house sees of a manifest: connectors and their tools, checked and compiled.

Built by `build` from models that `faults` found nothing wrong with; nothing here reads a file.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from valetkey.manifest.arguments import Arguments
from valetkey.manifest.clean import clean
from valetkey.manifest.paging import Pager
from valetkey.manifest.replies import Replies
from valetkey.manifest.requests import RequestTemplate
from valetkey.manifest.results import Results
from valetkey.manifest.schema import Whoami
from valetkey.manifest.schema_auth import Auth, Pasted
from valetkey.manifest.schema_tools import Paging
from valetkey.manifest.shape import Expression
from valetkey.manifest.template import UNSET, Slot, Text, scalar
from valetkey.model import Effect, Json

Hook = Callable[[Any], Awaitable[Json]]
_LONGEST_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Step:
    """A request of a tool; with `each`, once per item that expression finds in the earlier replies."""

    name: str
    request: RequestTemplate
    each: Expression | None = None


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Connector:
    """One API of a provider. `origins` are all a token set of it may ever be sent to."""

    name: str
    title: str
    provider: str
    base_url: str
    auth: Auth
    whoami: Whoami | None
    paging: Paging | None
    origins: frozenset[str]
    headers: Mapping[str, str]
    replies: Replies
    docs: str
    tools: Mapping[str, "Tool"] = field(default_factory=dict)

    @property
    def pasted(self) -> Pasted | None:
        """How the secret that its person pastes is used; None where nothing is pasted."""
        return self.auth if isinstance(self.auth, Pasted) else None

    def satisfied(self, granted: frozenset[str]) -> frozenset[str]:
        """Return the granted scopes and every scope they imply."""
        reached, waiting = set(granted), list(granted)
        while waiting:
            new = set(self.auth.implies.get(waiting.pop(), ())) - reached
            reached |= new
            waiting += new
        return frozenset(reached)

    @property
    def scopes(self) -> frozenset[str]:
        """Every scope that its tools, or its `whoami`, can make a person be asked for."""
        tools = (scope for tool in self.tools.values() for scope in tool.scopes)
        return frozenset(tools) | frozenset(self.whoami.scopes if self.whoami else ())

    def to_ask(self, wanted: frozenset[str]) -> frozenset[str]:
        """Return the scopes to ask a provider for: the wanted ones, and one that lets `whoami` answer."""
        alternatives = self.whoami.scopes if self.whoami else ()
        if not alternatives or self.satisfied(wanted) & set(alternatives):
            return wanted
        return wanted | {alternatives[0]}


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Tool:
    """One callable. It has either `steps` or a `hook`; `single` says its one reply is what `result` reads."""

    name: str
    connector: Connector
    title: str
    description: str
    effect: Effect
    idempotent: bool
    scopes: frozenset[str]
    labels: frozenset[str]
    sensitive: frozenset[str]
    output_schema: dict[str, Json]
    steps: tuple[Step, ...]
    single: bool
    hook: Hook | None
    result: Expression | None
    pager: Pager | None
    idempotency: str | None
    undo: str | None
    rate: str | None
    arguments: Arguments
    shown: Slot | Text | str | None
    output: Results

    @property
    def input_schema(self) -> dict[str, Json]:
        """JSON Schema 2020-12 of the arguments; nothing but what is named is accepted."""
        return self.arguments.schema

    @property
    def annotations(self) -> dict[str, bool]:
        """MCP's hints. Every tool acts on an account outside, so its world is always open."""
        return {
            "readOnlyHint": self.effect is Effect.READ,
            "destructiveHint": self.effect is Effect.DESTROY,
            "idempotentHint": self.idempotent,
            "openWorldHint": True,
        }

    def check(self, arguments: Json) -> dict[str, Json]:
        """Return the arguments with defaults filled in. Raises CallError `invalid`."""
        return self.arguments.check(arguments)

    def preview(self, arguments: Mapping[str, Json]) -> str:
        """Return the action in words, for the person who is to approve it."""
        if self.shown is None:
            return self.title
        return _spoken(self.shown, arguments)


def _spoken(node: Slot | Text | str, arguments: Mapping[str, Json]) -> str:
    """Values are shown as they are, but for what cannot be seen, and at most 2,000 characters of each."""
    if isinstance(node, str):
        return node
    if isinstance(node, Slot):
        value = arguments.get(node.name, UNSET)
        return "" if value is UNSET else clean(_words(value))[:_LONGEST_SHOWN]
    return "".join(_optional(part, arguments) for part in node.parts).strip()


def _optional(part: Slot | Text | str, arguments: Mapping[str, Json]) -> str:
    if isinstance(part, Text) and any(slot.name not in arguments for slot in part.slots()):
        return ""
    return _spoken(part, arguments)


def _words(value: Json) -> str:
    return ", ".join(_words(item) for item in value) if isinstance(value, list) else scalar(value)
