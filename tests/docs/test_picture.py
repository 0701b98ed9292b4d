"""The picture of the demo is of this demo, and holds nothing of the machine it was drawn on."""

import html
import re

from tests.laws.source import ROOT
from valetkey.demo import scenes

SVG = (ROOT / "docs" / "demo.svg").read_text()
SHOWN = " ".join(html.unescape(text).replace("\xa0", " ") for text in re.findall(r"<text[^>]*>([^<]*)<", SVG))


def test_the_picture_shows_scenes_of_the_demo_as_they_are_now() -> None:
    source = (ROOT / "src" / "valetkey" / "demo" / "scenes.py").read_text()
    titles = re.findall(r'tell\.scene\("([^"]+)"\)', source)
    assert len(titles) == len(scenes.SCENES)
    assert [title in SHOWN for title in titles] == [True, False, True, False, True]


def test_the_picture_loads_nothing_and_names_no_place() -> None:
    assert "url(http" not in SVG
    assert "@import" not in SVG
    hosts = set(re.findall(r"https?://([\w.]+)", SHOWN))
    assert hosts == {"localhost", "127.0.0.1"}
    assert not re.search(r"/(?:home|root|tmp|usr|work)/", SVG)
