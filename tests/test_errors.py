"""The tree of errors in the docstring is the tree of classes, and messages say what they promise."""

import inspect
import re

import pytest

from valetkey import errors
from valetkey.errors import (
    ManifestError,
    NeedsPerson,
    OAuthRefused,
    PageError,
    Unauthenticated,
    ValetkeyError,
)


def drawn() -> dict[str, str | None]:
    """Each class of the drawing and the class it hangs from."""
    parents: dict[str, str | None] = {"ValetkeyError": None}
    above: dict[int, str] = {0: "ValetkeyError"}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│ ]*[├└]── )(\w+) ", line):
            depth = len(found[1]) // 4
            parents[found[2]], above[depth] = above[depth - 1], found[2]
    return parents


def written() -> dict[str, str | None]:
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    return {one.__name__: None if one is ValetkeyError else one.__bases__[0].__name__ for one in classes}


def test_the_drawing_shows_every_error_where_it_hangs() -> None:
    assert drawn() == written()


def test_every_error_of_ours_can_be_caught_as_one() -> None:
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(one, ValetkeyError) for one in classes)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ManifestError("gmail.toml", "tools.list.effect", "is not an effect", "read"),
            "gmail.toml: tools.list.effect: is not an effect; did you mean `read`?",
        ),
        (ManifestError("gmail.toml", "", "is empty"), "gmail.toml: is empty"),
        (
            OAuthRefused("invalid_grant", 400),
            "the provider's token endpoint refused: invalid_grant (HTTP 400)",
        ),
        (
            PageError(403, "Not yours", "Ask the person who was asked."),
            "Not yours. Ask the person who was asked.",
        ),
    ],
)
def test_an_error_reads_as_a_sentence(error: ValetkeyError, sentence: str) -> None:
    assert str(error) == sentence


def test_an_error_carries_what_its_catcher_needs() -> None:
    needs = NeedsPerson("not_connected", "Open the link.", link="https://a", request="req_1", wants="Gmail")
    assert (needs.outcome, needs.text, needs.link, needs.retry_after) == (
        "not_connected",
        "Open the link.",
        "https://a",
        None,
    )
    assert (Unauthenticated("no token").status, Unauthenticated("no person", 403).status) == (401, 403)
    assert OAuthRefused("slow_down", 429, retry_after=2.5).retry_after == 2.5
