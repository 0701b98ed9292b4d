"""On what terms grants are given and changed: which tools, for how long, how often. Values alone."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from valetkey.model import DAY, HOUR

LASTS: dict[str, int | None] = {
    "1 hour": HOUR,
    "8 hours": 8 * HOUR,
    "30 days": 30 * DAY,
    "until I revoke": None,
}
"""What a person picks from, in the order it is shown; milliseconds, or None for no end."""

USES: dict[str, int | None] = {"any number": None, "only once": 1, "10 times": 10}
"""How often, in the order it is shown; how many calls, or None for any number."""


class Keep(Enum):
    """What stays as it is, where None means something else."""

    KEEP = "keep"


KEEP: Literal[Keep.KEEP] = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long (milliseconds, None: until revoked), how often (None: any number), and whether also
    while the person is away.
    """

    lasts: int | None
    uses: int | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a person decided on a page: tools they allowed, tools they refused, and on what terms.

    `lasts` is in milliseconds, None until revoked; `uses` is how many calls, None for any number;
    `offline`: also while the person is away.
    """

    tools: frozenset[str]
    refused: frozenset[str]
    lasts: int | None
    uses: int | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Less:
    """What is taken away from a grant: nothing in here can make it allow more.

    `without` are tools, which it refuses from then on, or whole entries. `lasts` (milliseconds from now)
    and `uses` (calls from now) hold where they are less than it had; None leaves them as they are.
    `present`: no longer while the person is away.
    """

    without: frozenset[str] = frozenset()
    lasts: int | None = None
    uses: int | None = None
    present: bool = False


@dataclass(frozen=True, slots=True)
class More:
    """What is added to a grant: nothing in here can make it allow less.

    `tools` are names, no longer refused. `lasts` and `uses` count from now; None is for good, any number.
    """

    tools: frozenset[str] = frozenset()
    lasts: int | Literal[Keep.KEEP] | None = KEEP
    uses: int | Literal[Keep.KEEP] | None = KEEP
    offline: bool = False
