"""The running account of the demo: who does what, line by line. What happens is in the scenes."""

import json
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from valetkey.demo.reading import Seen
from valetkey.model import Json

STYLES = {
    "Ana": "bold magenta",
    "Ben": "bold cyan",
    "triage": "bold blue",
    "Valetkey": "bold yellow",
    "Google": "bold green",
    "Slack": "bold green",
}
_WHO = 9
_WIDEST = 100


class Account:
    """Writes what happens for a person at a terminal; without colours where it is not one."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._width = min(console.width, _WIDEST)
        self._scenes = 0

    def opening(self, title: str, parts: Iterable[tuple[str, str]]) -> None:
        """Begin with what is on the stage."""
        grid = _grid()
        for who, text in parts:
            grid.add_row(_who(who), text)
        panel = Panel(
            grid, title=Text(title, "bold"), title_align="left", border_style="yellow", padding=(1, 2)
        )
        self.console.print(panel, width=self._width)

    def scene(self, title: str) -> None:
        """Begin the next scene."""
        self._scenes += 1
        self.console.print()
        self.console.print(Text.assemble((f" {self._scenes} ", "bold reverse"), " ", (title, "bold")))

    def says(self, who: str, text: str | Text) -> None:
        """Somebody says or does something."""
        self._row(_who(who), text if isinstance(text, Text) else Text(text))

    def quotes(self, who: str, text: str) -> None:
        self.says(who, Text(f"“{text}”", "italic"))

    def calls(self, agent: str, tool: str, arguments: Json) -> None:
        """An agent calls a tool."""
        words = "  ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
        call = Text.assemble(("→ ", "bold"), (tool, "bold"), f"  {words}", no_wrap=True, overflow="ellipsis")
        self.says(agent, call)

    def waits(self, who: str, message: str, link: str) -> None:
        """A call has to wait for a person: their client shows them a message and a link."""
        self.says(
            "Valetkey", Text.assemble(("… ", "bold yellow"), f"the call waits. {who}'s client shows a link:")
        )
        self.says("", Text(message, "italic"))
        self.says("", Text(link, "underline", no_wrap=True, overflow="ellipsis"))

    def page(self, who: str, page: Seen) -> None:
        """Show what a person sees on a page, and what is ticked there."""
        self.says(who, Text.assemble("reads: ", (f"“{page.heading}”", "italic")))
        for tool, effect in page.ticked:
            self.says("", Text.assemble(("  ✓ ", "green"), tool, (f"  {effect}", "dim")))
        for text in filter(None, (page.account, page.lasts and f"for {page.lasts}")):
            self.says("", Text.assemble(("  ✓ ", "green"), text))

    def good(self, who: str, text: str, seconds: float | None = None) -> None:
        """Something came out as it should; `seconds` is how long it took."""
        took = "" if seconds is None else f"  {_duration(seconds)}"
        self.says(who, Text.assemble(("✓ ", "bold green"), text, (took, "dim")))

    def refused(self, who: str, text: str) -> None:
        self.says(who, Text.assemble(("✗ ", "bold red"), text))

    def aside(self, text: str) -> None:
        self.says("", Text(text, "dim"))

    def listed(self, rows: Iterable[Sequence[str]]) -> None:
        """Show a few short things, a column each."""
        table = Table.grid(padding=(0, 2))
        for row in rows:
            table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in row))
        self._row(Text(), table)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
        """Show a table across the whole width."""
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
        for column in columns:
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*row)
        self.console.print(table, width=self._width)

    def line_to_copy(self, line: str) -> None:
        """Print a line as it is, to be copied: nothing breaks it."""
        self.console.print(Text(line, "bold"), soft_wrap=True)

    def _row(self, who: Text, content: RenderableType) -> None:
        grid = _grid()
        grid.add_row(who, content)
        self.console.print(grid, width=self._width)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_WHO, no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _who(name: str) -> Text:
    return Text(name, STYLES.get(name, ""), justify="right")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
