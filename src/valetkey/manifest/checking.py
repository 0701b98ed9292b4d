"""`valetkey connectors check`: everything wrong with a folder of manifests, or with one connector in it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from valetkey.errors import ManifestError
from valetkey.manifest.connector import Connector
from valetkey.manifest.flaws import unknown
from valetkey.manifest.load import MANIFEST_FILE, Loader, shipped


def check(folder: Path, *, allow_hooks: Sequence[Path] = ()) -> list[ManifestError]:
    """Return every problem in `folder`, not only the first. It may `use` providers shipped or beside it."""
    beside = folder.parent if (folder / MANIFEST_FILE).is_file() else folder
    loader = Loader(allow_hooks)
    for place in {path.resolve(): path for path in (shipped(), beside)}.values():
        if place.resolve() != folder.resolve():
            loader.read_providers(place)
    loader.read([folder])
    if not loader.connectors and not loader.found:
        return [ManifestError(str(folder), "", f"no connector: nothing here is named {MANIFEST_FILE}")]
    return loader.found + [p for path, c in loader.connectors.items() for p in _examples(path, c)]


def _examples(folder: Path, connector: Connector) -> Iterator[ManifestError]:
    """Yield what is wrong with the examples: each is of a tool, and each tool has one."""
    shown = set()
    for path in sorted((folder / "examples").glob("*.json")):
        try:
            tool = json.loads(path.read_text("utf-8"))["tool"]
        except (ValueError, KeyError, TypeError):
            yield ManifestError(str(path), "", "is not an example: JSON with `tool`, `args` and `exchanges`")
            continue
        shown.add(tool)
        if tool not in connector.tools:
            flaw = unknown("tool", str(tool), connector.tools)
            yield ManifestError(str(path), "tool", flaw.problem, flaw.nearest)
    for name in connector.tools.keys() - shown:
        yield ManifestError(str(folder / MANIFEST_FILE), f"tools.{name}", "has no example in examples/")
