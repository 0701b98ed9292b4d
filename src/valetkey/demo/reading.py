"""What a person sees on a page of Valetkey: its heading, what is ticked, whose account."""

from dataclasses import dataclass
from html.parser import HTMLParser

_VOID = frozenset({"input", "meta", "link", "img", "br", "path", "circle", "rect"})
Attributes = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of a page that a person decides by. `ticked` are tools in words, each with what it does."""

    heading: str
    text: str
    account: str
    ticked: tuple[tuple[str, str], ...]
    lasts: str


def seen(page: str) -> Seen:
    """Read a page."""
    reader = _Reader()
    reader.feed(page)
    texts = {role: [" ".join(text.split()) for text in found] for role, found in reader.texts.items()}
    tools = zip(reader.checked, texts["tool"], texts["effect"], strict=False)
    ticked = tuple((tool, effect) for checked, tool, effect in tools if checked)
    return Seen(
        _first(texts["heading"]), _first(texts["text"]), _first(texts["account"]), ticked, reader.lasts
    )


def _first(texts: list[str]) -> str:
    return texts[0] if texts else ""


class _Reader(HTMLParser):
    """Collects the texts of the elements that have a role for the person."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {
            "heading": [],
            "text": [],
            "account": [],
            "tool": [],
            "effect": [],
        }
        self.checked: list[bool] = []
        self.lasts = ""
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input":
            self._input(found)
        if tag in _VOID:
            return
        role = self._role(tag, found)
        self._open.append((tag, role))
        if role:
            self.texts[role].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, role in self._open:
            if role:
                self.texts[role][-1] += data

    def _input(self, found: Attributes) -> None:
        if found.get("name") == "tool":
            self.checked.append("checked" in found)
        if found.get("name") == "lasts" and "checked" in found:
            self.lasts = found.get("value") or ""

    def _role(self, tag: str, found: Attributes) -> str:
        classes = (found.get("class") or "").split()
        if tag == "h1":
            return "heading"
        if tag == "p":
            return "account" if "account" in classes else "text" if classes == ["soft"] else ""
        if not any(name == "label" for name, _ in self._open):
            return ""
        return "tool" if tag == "strong" else "effect" if "effect" in classes else ""
