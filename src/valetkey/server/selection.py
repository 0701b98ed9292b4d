"""Which tools an endpoint shows, and how their names are spelled there. Either spelling can be called."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from valetkey.errors import SettingsError
from valetkey.model import Effect

UNDERSCORE = "underscore"


class _Tool(Protocol):
    """What a selection goes by."""

    @property
    def name(self) -> str: ...
    @property
    def effect(self) -> Effect: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """An endpoint's choice: of connectors, tools and effects, each empty for any; and the spelling."""

    connectors: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    underscore: bool = False

    def shows(self, tool: _Tool) -> bool:
        connector = tool.name.partition(".")[0]
        return (
            (not self.connectors or connector in self.connectors)
            and (not self.tools or tool.name in self.tools)
            and (not self.effects or tool.effect in self.effects)
        )

    def spelled(self, name: str) -> str:
        """Some model APIs take no dots in names, and clients that send them on raw lose every tool."""
        return name.replace(".", "_") if self.underscore else name

    def refuse_unknown(self, where: str, connectors: AbstractSet[str], tools: AbstractSet[str]) -> None:
        """Raise SettingsError for a connector or tool that does not exist: silence would hide it."""
        for kind, chosen, known in (("connector", self.connectors, connectors), ("tool", self.tools, tools)):
            if unknown := sorted(chosen - known):
                raise SettingsError(
                    f"{where}: there is no {kind} `{unknown[0]}`; see `valetkey connectors list`"
                )
