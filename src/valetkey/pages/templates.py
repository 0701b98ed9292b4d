"""Templates to HTML: everything escaped, and a name that was not given is an error, never an empty space."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from valetkey.pages import words


def environment(links: Mapping[str, str]) -> Environment:
    """`links` are the addresses of the static files, by name. What was compiled once is kept."""
    return _environment(tuple(sorted(links.items())))


@cache
def _environment(links: tuple[tuple[str, str], ...]) -> Environment:
    made = Environment(
        loader=PackageLoader("valetkey.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = dict(links).__getitem__
    made.globals["effects"] = words.EFFECTS
    made.filters.update(_FILTERS)
    return made


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "span": words.span,
    "moment": words.moment,
    "day": words.day,
    "hour": words.hour,
    "machine_moment": words.machine_moment,
    "plain": words.plain,
    "series": words.series,
    "first_sentence": words.first_sentence,
    "tool_title": words.tool_title,
}
