"""All connectors and tools of this installation, by name. What a manifest may say is in `schema`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from valetkey.errors import CallError
from valetkey.manifest.connector import Connector, Tool
from valetkey.manifest.flaws import nearest
from valetkey.manifest.load import Loader
from valetkey.model import Outcome


@dataclass(frozen=True, eq=False, slots=True)
class Catalog:
    """The connectors and tools that were loaded. `tools` is sorted by name."""

    connectors: Mapping[str, Connector]
    tools: tuple[Tool, ...]
    _by_name: Mapping[str, Tool]

    @classmethod
    def load(cls, folders: Sequence[Path], *, allow_hooks: Sequence[Path] = ()) -> "Catalog":
        """Load every connector in the folders. Raises ManifestError for the first problem."""
        loader = Loader(allow_hooks)
        loader.read(folders)
        for problem in loader.found:
            raise problem
        return cls.of(list(loader.connectors.values()))

    @classmethod
    def of(cls, connectors: Sequence[Connector]) -> "Catalog":
        """Return the catalog of connectors whose names do not collide."""
        tools = sorted((tool for c in connectors for tool in c.tools.values()), key=lambda tool: tool.name)
        return cls(MappingProxyType({c.name: c for c in connectors}), tuple(tools), _named(tools))

    def only(self, shows: Callable[[Tool], bool]) -> "Catalog":
        """Return the catalog of those tools alone that `shows` says yes to; the connectors stay."""
        tools = tuple(tool for tool in self.tools if shows(tool))
        return Catalog(self.connectors, tools, _named(tools))

    def knows(self, name: str) -> bool:
        """Whether there is a tool of that name."""
        return name in self._by_name

    def tool(self, name: str) -> Tool:
        """Return the tool of that name, with a dot or `_`. Raises CallError `not_found`."""
        if tool := self._by_name.get(name):
            return tool
        meant = nearest(name[:100], self._by_name)
        hint = f" Did you mean `{meant}`?" if meant else ""
        raise CallError(Outcome.NOT_FOUND, f"There is no tool of that name.{hint}")


def _named(tools: Iterable[Tool]) -> dict[str, Tool]:
    """Tools by both spellings of their names, which the loader has seen not to collide."""
    return {name: tool for tool in tools for name in (tool.name, tool.name.replace(".", "_"))}
