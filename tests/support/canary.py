"""Finding secrets where none may be: raw or in any spelling that software gives a text by accident."""

import base64
import html
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_SHORTEST = 8
"""No secret is shorter."""

PIECE = 12
"""So many letters of a random secret, one after another, are nobody's but its own."""

_BLOCK, _STEP = 8, 4
"""The bytes that are compared at once, and how far apart they begin: in 11 bytes of anything one is whole."""


_Raw = str | bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret that was found: what it is, how it was written, and where."""

    what: str
    spelling: str
    where: str


def spellings(secret: _Raw) -> dict[str, bytes]:
    """A secret as it is, and as it would look if something wrote, encoded, escaped or turned it."""
    if isinstance(secret, bytes):
        return _of_bytes(secret) | {"repr": repr(secret)[2:-1].encode()}
    return _of_bytes(secret.encode()) | _of_text(secret)


def _of_bytes(raw: bytes) -> dict[str, bytes]:
    every = "".join(f"%{byte:02x}" for byte in raw).encode()
    return {
        "raw": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "url": quote(raw, safe="").encode(),
        "url, twice": quote(quote(raw, safe=""), safe="").encode(),
        "url, every byte": every,
        "URL, EVERY BYTE": every.upper(),
        **dict(_base64("base64", raw)),
        **dict(_base64("base64 of reversed", raw[::-1])),
        "base64 of hex": base64.b64encode(raw.hex().encode()).rstrip(b"="),
    }


def _of_text(text: str) -> dict[str, bytes]:
    utf16 = text.encode("utf-16-le")
    return {
        "json": json.dumps(text)[1:-1].encode(),
        "html": html.escape(text).encode(),
        "repr": repr(text)[1:-1].encode(),
        "utf-16-le": utf16,
        "utf-16-be": text.encode("utf-16-be"),
        **dict(_base64("base64 of utf-16", utf16)),
    }


def _base64(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """What base64 makes of it at each of the three places where it can begin, whatever stands around it."""
    for before in range(3):
        ends = (before + len(data)) * 8 // 6
        inside = base64.b64encode(bytes(before) + data)[-(-before * 8 // 6) : ends]
        yield f"{name}, at {before}", inside
        yield f"{name}url, at {before}", inside.replace(b"+", b"-").replace(b"/", b"_")


def _bytes(secret: _Raw) -> bytes:
    return secret if isinstance(secret, bytes) else secret.encode()


def _parts(data: bytes, length: int) -> Iterator[bytes]:
    return (data[at : at + length] for at in range(len(data) - length + 1))


def _block(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)


class Needles:
    """Secrets to look for, any number of them, in one pass. `add` takes any number of times what is the same.

    Of what is looked for only the blocks are kept that meet the haystack's own, whatever stands before; a
    secret that was met is then spelled once more.
    """

    def __init__(self) -> None:
        self._secrets: dict[_Raw, tuple[str, bool]] = {}
        self._blocks: dict[int, tuple[_Raw, ...]] = {}
        self._short: dict[bytes, tuple[_Raw, ...]] = {}

    def __len__(self) -> int:
        return len(self._secrets)

    def add(self, what: str, secret: _Raw, *, random: bool = True) -> None:
        """Look for a secret; `random`: its pieces are nobody else's, so that they are looked for as well."""
        if secret in self._secrets or len(_bytes(secret)) < _SHORTEST:
            return
        self._secrets[secret] = (what, random)
        blocks, alone = set[int](), (secret,)
        for needle in spellings(secret).values():
            if len(needle) < _BLOCK + _STEP - 1:
                self._short[needle] = self._short.get(needle, ()) + alone
            else:
                blocks.update(_block(needle[at : at + _BLOCK]) for at in range(_STEP))
        if random:
            blocks.update(map(_block, _parts(_bytes(secret), _BLOCK)))
        for block in blocks:
            self._blocks[block] = self._blocks[block] + alone if block in self._blocks else alone

    def found(self, data: bytes, where: str) -> set[Hit]:
        """Every secret that is in these bytes."""
        return {
            Hit(self._secrets[secret][0], spelling, where)
            for secret, parts in self._met(data).items()
            for spelling, needle in self._written(secret)
            if any(part in needle for part in parts) and needle in data
        }

    def found_in(self, files: Iterable[Path]) -> set[Hit]:
        """Every secret that is in these files."""
        hits = (self.found(file.read_bytes(), file.name) for file in files)
        return set().union(*hits)

    def _met(self, data: bytes) -> dict[_Raw, list[bytes]]:
        """The secrets of which a part is there, with those parts: of eight digits it may be another's."""
        met = defaultdict[_Raw, list[bytes]](list)
        for first in range(0, _BLOCK, _STEP):
            whole = (len(data) - first) // _BLOCK * _BLOCK
            for block in self._blocks.keys() & memoryview(data)[first : first + whole].cast("Q"):
                for secret in self._blocks[block]:
                    met[secret].append(block.to_bytes(_BLOCK, sys.byteorder))
        for needle, known in self._short.items():
            for secret in known if needle in data else ():
                met[secret].append(needle)
        return met

    def _written(self, secret: _Raw) -> Iterator[tuple[str, bytes]]:
        yield from spellings(secret).items()
        if self._secrets[secret][1]:
            yield from (("a piece", piece) for piece in _parts(_bytes(secret), PIECE))
