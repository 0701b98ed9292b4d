"""The colours of both themes: text meets WCAG 2.2 AA (1.4.3: 4.5 to 1), edges and marks 3 to 1 (1.4.11)."""

import re

import pytest

from valetkey.pages.static import static_files

TEXT = [
    ("ink", "ground"),
    ("ink", "surface"),
    ("ink", "sunken"),
    ("ink", "tint"),
    ("soft", "ground"),
    ("soft", "surface"),
    ("soft", "sunken"),
    ("soft", "tint"),
    ("brand", "surface"),
    ("brand", "tint"),
    ("brand", "ground"),
    ("brand-hover", "surface"),
    ("on-brand", "brand"),
    ("on-brand", "brand-hover"),
    ("on-agent", "agent"),
    ("on-read", "read"),
    ("on-write", "write"),
    ("on-destroy", "destroy"),
    ("danger", "surface"),
    ("danger-hover", "sunken"),
]
SHAPES = [
    ("edge", "surface"),
    ("edge", "ground"),
    ("focus", "surface"),
    ("focus", "ground"),
    ("danger", "surface"),
    ("on-destroy", "surface"),
]


def themes() -> dict[str, dict[str, str]]:
    css = static_files()["valetkey.css"].content.decode()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    found = {
        name: dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for name, block in (("light", light), ("dark", dark))
    }
    assert found["light"].keys() == found["dark"].keys()
    return found


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_measure_itself() -> None:
    assert round(contrast("#000000", "#ffffff"), 1) == 21
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"), [(*pair, 4.5) for pair in TEXT] + [(*pair, 3.0) for pair in SHAPES]
)
def test_colours_can_be_told_apart(theme: str, front: str, back: str, least: float) -> None:
    colours = themes()[theme]
    assert contrast(colours[front], colours[back]) >= least
