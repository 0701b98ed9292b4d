"""What can be wrong with a manifest, before it is known which file it stands in."""

import difflib
from collections.abc import Iterable


class Flaw(ValueError):
    """One thing a manifest's author has to change, and the nearest word that would have been right."""

    def __init__(self, problem: str, nearest: str | None = None) -> None:
        self.problem, self.nearest = problem, nearest
        super().__init__(problem)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, if one is near enough to be what was meant."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def unknown(what: str, word: str, known: Iterable[str]) -> Flaw:
    """Return the flaw of a word that is none of the known ones."""
    known = sorted(known)
    return Flaw(f"unknown {what} `{word}` (known: {', '.join(known) or 'none'})", nearest(word, known))
