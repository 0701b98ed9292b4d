"""The documentation as the tests see it: pages, their fenced snippets, their links and headings."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.laws.source import ROOT

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"(?<!`)\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FOLDERS = ("docs", "examples")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    def snippets(self, *languages: str) -> list[str]:
        """The fenced blocks in these languages, in order."""
        return [found["text"] for found in FENCE.finditer(self.text) if found["language"] in languages]

    def links(self) -> list[str]:
        """Where the page's links lead that stay in the repository."""
        found = LINK.findall(FENCE.sub("", self.text))
        return [link for link in found if not re.match(r"[a-z]+:", link)]

    def anchors(self) -> set[str]:
        """The names by which its headings are linked to, as GitHub makes them."""
        plain = [_anchor(heading) for heading in HEADING.findall(FENCE.sub("", self.text))]
        return {_numbered(plain, place) for place in range(len(plain))}


def _anchor(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def _numbered(anchors: list[str], place: int) -> str:
    """A heading that stands on the page for the second time is `name-1`."""
    before = anchors[:place].count(anchors[place])
    return f"{anchors[place]}-{before}" if before else anchors[place]


def page(name: str) -> Page:
    return Page(ROOT / name, (ROOT / name).read_text())


def pages() -> list[Page]:
    """Every Markdown file of the repository."""
    below = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))]
    return [page(path.relative_to(ROOT).as_posix()) for path in [*sorted(ROOT.glob("*.md")), *below]]
