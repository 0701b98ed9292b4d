import pytest

from valetkey.manifest.clean import INVISIBLE, clean, parse_json


@pytest.mark.parametrize(
    "hidden",
    [
        *("\x00", "\x1b[31m"[0], "\x07", "\r", "\x7f", "\x85", "\x9b"),
        *("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\u2063", "\ufeff", "\u00ad", "\u180e"),
        *("\u202a", "\u202d", "\u202e", "\u2066", "\u2069", "\u061c", "\u2028", "\u2029"),
        *("\U000e0041", "\U000e007f", "\U000e0100", "\ud800", "\udfff", "\u3164", "\ufff9"),
    ],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_what_cannot_be_seen_is_taken_out_everywhere(hidden: str) -> None:
    dirty = {f"k{hidden}ey": [f"a{hidden}b", {"c": hidden}], "n": 1, "t": True, "x": None}
    assert clean(dirty) == {"key": ["ab", {"c": ""}], "n": 1, "t": True, "x": None}


@pytest.mark.parametrize(
    "text", ["Grüße\n\tund 😀 مرحبا 日本語 \ufe0f", "<b>a & b</b>", "![x](https://evil.example)"]
)
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "body",
    [b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"[" * 100_000, b"{", b"", b"\xff", b"9" * 5_000, b"<p>"],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_what_is_not_json_is_one_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(body)


def test_json_is_parsed() -> None:
    assert parse_json(b'{"a": [1, 2.5, "\\u00e9", null]}') == {"a": [1, 2.5, "é", None]}


def test_every_single_character_is_kept_or_goes_as_the_pattern_says() -> None:
    characters = [chr(number) for number in range(0x110000)]
    assert [clean(one) for one in characters] == [INVISIBLE.sub("", one) for one in characters]
