"""The test's side of commands that are broken off: at every step that they take, or at a few of them."""

from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.support.scale import FULL
from tests.support.victim import victim
from valetkey.model import Json

_COMMANDING = "tests.copies.dying:commanding"
_MOMENTS = (0.0, 0.0004, 0.0015)
"""Seconds after a step: at once, and while SQLite does what it was told."""


@dataclass(frozen=True, slots=True)
class Death:
    """A process is killed so many seconds after such a step, or before it."""

    dies_at: int
    later: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, None if it was killed; what it said; how many steps it took."""

    code: int | None
    told: str
    steps: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command on a home. What it does within a folder is its steps."""

    home: Path
    within: Path
    arguments: tuple[str, ...]

    async def run(self, **how: Json) -> Ended:
        where: dict[str, Json] = {"home": str(self.home), "within": str(self.within)}
        arguments = list(self.arguments)
        with anyio.fail_after(60):
            async with victim(_COMMANDING, log=None, arguments=arguments, **where, **how) as process:
                told = await process.gone()
        if process.exit is None:
            return Ended(None, "", 0)
        return Ended(process.exit, "".join(f"{line}\n" for line in told[:-1]), int(told[-1]))

    async def succeeds(self) -> Ended:
        ended = await self.run()
        assert ended.code == 0, ended.told
        return ended

    async def killed(self, death: Death) -> bool:
        """Kill it on its way; False: it was at its end before that."""
        ended = await self.run(dies_at=death.dies_at, later=death.later)
        assert ended.code in {None, 0}, ended.told
        return ended.code is None

    async def deaths(self, few: int) -> list[Death]:
        """Let it come to its end once; so many ways to die before that. At full scale, all there are."""
        steps = (await self.succeeds()).steps
        if FULL:
            return [Death(step, later) for step in range(1, steps + 1) for later in _MOMENTS]
        at = [1 + number * (steps - 1) // (few - 1) for number in range(few)]
        return [Death(step, _MOMENTS[number % len(_MOMENTS)]) for number, step in enumerate(at)]
