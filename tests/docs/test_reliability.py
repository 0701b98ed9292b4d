"""What the page on reliability names exists."""

import re

from tests.docs.pages import page
from tests.laws.source import ROOT

NAMED = re.compile(r"`((?:tests|benchmarks)/[\w/]+(?:\.py)?)")


def named() -> set[str]:
    """The files and folders that the page says measure something."""
    return set(NAMED.findall(page("docs/reference/reliability.md").text))


def test_what_is_said_to_measure_something_is_there() -> None:
    assert {path for path in named() if not (ROOT / path).exists()} == set()
