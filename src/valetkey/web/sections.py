"""The consent page's sections: for each connector its tools, what is missing, and what was wrong with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from valetkey.connections import Typed
from valetkey.manifest import Tool
from valetkey.model import Effect, Secret
from valetkey.needs import Asked, Part
from valetkey.pages import EFFECTS, Form

_SECRET, _NAME, _ACCOUNT = "secret-", "name-", "account-"


@dataclass(frozen=True, slots=True)
class Section:
    """One connector on the page. `place` is the host its provider is visited at, if it is.

    `wide` are entries for several tools at once, each with its words. `scopes` are the provider's, each
    with the tools that need it.
    """

    part: Part
    more: list[Tool]
    more_open: bool
    wide: dict[str, str]
    scopes: dict[str, list[Tool]]
    place: str
    wrong_secret: str


def sections(asked: Asked, ticked: Collection[str], wrong_secrets: Mapping[str, str]) -> list[Section]:
    """Return the sections of what is asked, as they stand with what was ticked."""
    return [_section(asked, part, ticked, wrong_secrets) for part in asked.parts]


def ticked_at_first(asked: Asked) -> frozenset[str]:
    """Only what was asked for, and never what destroys: that is ticked by a person."""
    tools = (tool for part in asked.parts for tool in part.asked)
    return frozenset(tool.name for tool in tools if tool.effect is not Effect.DESTROY)


def typed(form: Form) -> dict[str, Typed]:
    """Return the secrets that stood in the form's fields, by connector."""
    names = (field.removeprefix(_SECRET) for field in form.fields if field.startswith(_SECRET))
    return {name: Typed(Secret(form.one(_SECRET + name)), form.one(_NAME + name)) for name in names}


def picked(form: Form) -> dict[str, str]:
    """Return the accounts that were chosen, by connector: a connection's id, or ANOTHER."""
    fields = (field for field in form.fields if field.startswith(_ACCOUNT))
    return {field.removeprefix(_ACCOUNT): form.one(field) for field in fields}


def _section(asked: Asked, part: Part, ticked: Collection[str], wrong: Mapping[str, str]) -> Section:
    name = part.connector.name
    more = sorted(part.others, key=lambda tool: list(EFFECTS).index(tool.effect))  # what deletes comes last
    return Section(
        part=part,
        more=more,
        more_open=any(name in ticked for name in (*(tool.name for tool in more), *part.wide)),
        wide={} if asked.request.own else _wide(part),
        scopes=_scopes([*part.asked, *more]),
        place=urlsplit(asked.origins.get(name, "")).netloc if part.trip else "",
        wrong_secret=wrong.get(name, ""),
    )


def _wide(part: Part) -> dict[str, str]:
    """What can be ticked at once: all that reads, all but what deletes, where that is more than one tool."""
    reading, whole = part.wide
    effects = [tool.effect for tool in part.connector.tools.values()]
    offered = {}
    if effects.count(Effect.READ) > 1:
        offered[reading] = "Everything that reads"
    if Effect.WRITE in effects and len(effects) > 1:
        offered[whole] = "Everything but what deletes"
    return offered


def _scopes(tools: list[Tool]) -> dict[str, list[Tool]]:
    scopes = sorted({scope for tool in tools for scope in tool.scopes})
    return {scope: [tool for tool in tools if scope in tool.scopes] for scope in scopes}
