"""What the page on reliability names exists, and no test of what must survive is missing on it."""

import re

from tests.docs.pages import page
from tests.laws.source import ROOT

NAMED = re.compile(r"`((?:tests|benchmarks)/[\w/]+(?:\.py)?)")
MODULE = re.compile(r"`python -m ([\w.]+)")
SURVIVES = re.compile(r"^pytestmark = pytest\.mark\.reliability|^@pytest\.mark\.reliability", re.MULTILINE)


def named() -> set[str]:
    """The files and folders that the page says measure something."""
    text = page("docs/reference/reliability.md").text
    modules = (module.replace(".", "/") + ".py" for module in MODULE.findall(text))
    return {*NAMED.findall(text), *modules}


def test_what_is_said_to_measure_something_is_there() -> None:
    assert {path for path in named() if not (ROOT / path).exists()} == set()


def test_every_test_of_what_must_survive_is_on_the_page() -> None:
    found = {path for path in (ROOT / "tests").rglob("test_*.py") if SURVIVES.search(path.read_text())}
    assert {path.relative_to(ROOT).as_posix() for path in found} - named() == set()
