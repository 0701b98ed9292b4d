"""Machines that have the key and nothing else, and what is known of the store that stands on one."""

import shutil
from pathlib import Path

from tests.support.linked import Linked
from valetkey.copies import activated, back_up, copy_at
from valetkey.copies.checking import Check, checked
from valetkey.copies.opening import of_ground
from valetkey.generation import Generation
from valetkey.settings import Settings

FACTS = {"operator": "test"}


def quietly(_: str, __: int, ___: int) -> None:
    """Nobody watches how far it is."""


def another_machine(settings: Settings, home: Path) -> Settings:
    """A home of its own that was given the key, and nothing else."""
    home.mkdir(mode=0o700)
    shutil.copy(settings.key_file, home / "key")
    return settings.model_copy(update={"home": home, "store": None})


async def backed_up(here: Linked, file: Path) -> Check:
    return await back_up(of_ground(here.house.ground), file, quietly, FACTS)


async def made_live(settings: Settings, place: Path | str | None = None) -> None:
    """Activate a store without a word about where the other one may be."""
    async with copy_at(settings, place or settings.store_file) as copy:
        now = await copy.generations.read(copy.store)
        assert now is not None
        await activated(copy, now.reason or now.state, [], FACTS)


async def looked_over(settings: Settings, place: Path | str | None = None) -> tuple[Check, Generation]:
    """Open everything in a store once; what was found, and which copy it is."""
    async with copy_at(settings, place or settings.store_file) as copy:
        now = await copy.generations.read(copy.store)
        assert now is not None
        return await checked(copy, quietly), now


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in it, but for the lock that a process takes, which says nothing."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "in-use"}
