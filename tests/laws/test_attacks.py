"""Every attack of the catalogue has tests that stand against it, and those tests are there."""

import tomllib
from collections.abc import Iterator
from typing import Any

from tests.laws.source import ROOT, named_tests

CATALOGUE: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tests" / "attacks.toml").read_text())
COUNTS = {"O": 18, "M": 19, "T": 6, "P": 14, "A": 5, "X": 8, "F": 9}
PAGES = ["U1x", "U2x", "U3x", "U4x"]
NEEDS_NO_TEST = {"X6"}


def test_the_catalogue_is_whole() -> None:
    expected = [f"{kind}{number}" for kind, count in COUNTS.items() for number in range(1, count + 1)]
    assert sorted(CATALOGUE) == sorted(expected + PAGES)


def test_every_attack_says_what_is_tried_and_what_stands_against_it() -> None:
    for name, attack in CATALOGUE.items():
        stands = "otherwise" if name in NEEDS_NO_TEST else "tests"
        assert attack.keys() == {"tries", stands}, name
        assert attack["tries"].endswith("."), name
        assert attack[stands], name


def _named() -> Iterator[str]:
    return (test for attack in CATALOGUE.values() for test in attack.get("tests", ()))


def test_every_test_that_is_named_is_there() -> None:
    assert not sorted(set(_named()) - named_tests())


def test_no_attack_names_a_test_twice() -> None:
    for name, attack in CATALOGUE.items():
        tests = attack.get("tests", [])
        assert len(tests) == len(set(tests)), name


def test_every_test_of_the_attacks_folder_stands_against_an_attack() -> None:
    helpers = {
        "test_there_are_many_paths_with_a_place_in_them",
        "test_the_tests_that_stand_elsewhere_are_there",
    }
    own = {test for test in named_tests() if test.startswith("tests/attacks/")}
    assert {test for test in own - set(_named()) if test.partition("::")[2] not in helpers} == set()
