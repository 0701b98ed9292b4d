"""Draw docs/demo.svg from a real run of the demo: `python docs/make_demo_svg.py`. A few of its scenes."""

import io
import re
from pathlib import Path

import anyio
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from valetkey.demo.play import play

PICTURE = Path(__file__).with_name("demo.svg")
WIDTH = 84
SCENES = (1, 3, 5)
SCENE = re.compile(r"(?=\n\x1b\[[0-9;]*m \d )")
FONT_FROM_ELSEWHERE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def run() -> str:
    """Play the demo and return its text, colours and all."""
    screen = io.StringIO()
    await play(_terminal(screen))
    return screen.getvalue()


def drawing(told: str) -> str:
    """Return the opening and some of the scenes as SVG, which loads nothing from anywhere."""
    opening, *scenes = SCENE.split(told)
    console = _terminal(io.StringIO())
    console.print(Text.from_ansi("".join([opening, *(scenes[number - 1] for number in SCENES)])))
    svg = console.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    return FONT_FROM_ELSEWHERE.sub("", svg)


def _terminal(file: io.StringIO) -> Console:
    return Console(file=file, width=WIDTH, force_terminal=True, color_system="standard", record=True)


if __name__ == "__main__":
    PICTURE.write_text(drawing(anyio.run(run)))
