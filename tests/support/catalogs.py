"""The connectors in the repository, read once in a process that opens many houses."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.laws.source import ROOT
from valetkey.manifest import Catalog


def cached(load: Callable[..., Catalog]) -> Callable[..., Catalog]:
    """`Catalog.load` that remembers: what is in the repository does not change while the tests run."""
    known: dict[object, Catalog] = {}

    def loaded(folders: Sequence[Path], *, allow_hooks: Sequence[Path] = ()) -> Catalog:
        which = (tuple(folders), tuple(allow_hooks))
        if not all(folder.is_relative_to(ROOT) for folder in folders):
            return load(folders, allow_hooks=allow_hooks)
        if which not in known:
            known[which] = load(folders, allow_hooks=allow_hooks)
        return known[which]

    return loaded
