"""Times and names in words."""

import pytest

from valetkey.model import DAY, HOUR, MINUTE, SECOND
from valetkey.pages import words


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (30 * DAY, "30 days"),
        (DAY, "1 day"),
        (8 * HOUR, "8 hours"),
        (10 * MINUTE - 1, "9 minutes"),
        (MINUTE, "1 minute"),
        (59 * SECOND, "less than a minute"),
        (-5, "less than a minute"),
    ],
)
def test_a_span_is_said_in_its_largest_unit(length: int, said: str) -> None:
    assert words.span(length) == said


def test_a_moment_is_said_with_its_time_zone() -> None:
    assert words.moment(20_000 * DAY + 5 * MINUTE) == "4 Oct 2024, 00:05 UTC"
    assert words.machine_moment(20_000 * DAY) == "2024-10-04T00:00+00:00"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("claude", "claude"),
        ("two\nlines\t and  spaces", "two lines and spaces"),
        ("right\u202eto left\u2069 and \u200bnothing", "rightto left and nothing"),
        ("\x1b[31mred", "[31mred"),
        ("x" * 121, "x" * 120 + "…"),
    ],
)
def test_a_name_that_somebody_wrote_is_one_short_visible_line(name: str, shown: str) -> None:
    assert words.plain(name) == shown


@pytest.mark.parametrize(
    ("description", "first"),
    [
        ("List mail. Use another tool for more.", "List mail."),
        ("A search, e.g. this. Then more.", "A search, e.g. this."),
        ("One\nsentence", "One sentence"),
        ("Version 1.2 only.", "Version 1.2 only."),
    ],
)
def test_of_a_description_the_first_sentence_is_shown(description: str, first: str) -> None:
    assert words.first_sentence(description) == first
