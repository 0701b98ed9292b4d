"""Ten thousand bent inputs out of a few good ones, the same on every run.

Hypothesis shrinks what it finds and takes a millisecond for each input; these take a few microseconds,
so that there can be ten thousand of them at every place that reads what somebody else wrote.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

MANY = 10_000
LONGEST = 4_000

_SPICES = (
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n",
        b"\t",
        b"\x1b[2J",
    ),
    *(
        b"%00",
        b"%0d%0a",
        b"%2e%2e",
        b"%2f",
        b"%252f",
        b"%ff",
        b"%ed%a0%80",
        b"%",
        b"+",
        b"&",
        b"=",
        b";",
        b"#",
    ),
    *(b"..", b"/", b"\\", b"//", b"@", b":", b"?", b"*", b"'", b'"', b"<", b"{", b"}", b"[", b"]", b","),
    *(
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e999",
        b"0x0",
        b"-1",
        b"9" * 400,
        b"\\ud800",
        b"\\u0000",
    ),
    *("\u202e".encode(), "\u2028".encode(), "\uff0e".encode(), "é".encode(), "😀".encode(), b"[" * 300),
)

_Way = Callable[[Random, bytes], bytes]


def bent(good: Sequence[bytes], count: int = MANY, seed: int = 1) -> Iterator[bytes]:
    """Yield so many inputs, each one of the good ones with one to four changes."""
    chance = Random(seed)
    for _ in range(count):
        text = chance.choice(good)
        for _ in range(chance.randint(1, 4)):
            text = chance.choice(_WAYS)(chance, text)
        yield text[:LONGEST]


def _spiced(chance: Random, text: bytes) -> bytes:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(_SPICES) + text[at:]


def _cut(chance: Random, text: bytes) -> bytes:
    at, length = chance.randint(0, len(text)), chance.randint(0, 20)
    return text[:at] + text[at + length :]


def _doubled(chance: Random, text: bytes) -> bytes:
    at, length = chance.randint(0, len(text)), chance.randint(0, 40)
    return text[: at + length] + text[at:]


def _flipped(chance: Random, text: bytes) -> bytes:
    if not text:
        return bytes([chance.randrange(256)])
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << chance.randrange(8)]) + text[at + 1 :]


def _moved(chance: Random, text: bytes) -> bytes:
    at = chance.randint(0, len(text))
    return text[at:] + text[:at]


_WAYS: tuple[_Way, ...] = (_spiced, _spiced, _spiced, _cut, _doubled, _flipped, _moved)
