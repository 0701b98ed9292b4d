"""How times, spans and names that others wrote are shown to a person."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from valetkey.manifest import Tool
from valetkey.manifest.clean import clean
from valetkey.model import DAY, HOUR, MINUTE

EFFECTS = {"read": "reads", "write": "changes", "destroy": "deletes"}
"""What a tool does, as a person is told."""

_LONGEST_NAME = 120
_END = re.compile(r"\. (?=[A-Z])")  # not that of `e.g. this`
_UNITS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))


def span(milliseconds: int) -> str:
    """Say how long, rounded down to its largest unit: `9 minutes`, `30 days`."""
    for size, unit in _UNITS:
        if milliseconds >= size:
            count = milliseconds // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a minute"


def moment(at: int) -> str:
    """Say when: `5 Oct 2024, 14:05 UTC`. A page without scripts does not know a person's time zone."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return f"{when.day} {when:%b %Y, %H:%M} UTC"


def day(at: int) -> str:
    """Say on which day: `5 October 2024`."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return f"{when.day} {when:%B %Y}"


def hour(at: int) -> str:
    """Say when on a day that was said already: `14:05 UTC`."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M} UTC"


def machine_moment(at: int) -> str:
    """The same for a `datetime` attribute."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="minutes")


def plain(text: str) -> str:
    """Return a name that somebody else wrote: on one line, nothing invisible in it, and not endless."""
    line = " ".join(str(clean(text)).split())
    return line if len(line) <= _LONGEST_NAME else f"{line[:_LONGEST_NAME]}…"


def series(names: Sequence[str]) -> str:
    """Say several names in one sentence: `Gmail, Slack and GitHub`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def first_sentence(text: str) -> str:
    """Return a description's first sentence: the rest of it is written for models."""
    line = " ".join(text.split())
    end = _END.search(line)
    return line[: end.start() + 1] if end else line


def tool_title(tool: Tool) -> str:
    """Return a tool's title beside its connector's: `List unread`."""
    title = plain(tool.title.removeprefix(f"{tool.connector.title}: "))
    return title[:1].upper() + title[1:]
