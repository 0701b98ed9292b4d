"""What an answer may look like: its head, its framing, and a body under a cap on its decoded size.

Everything here raises EgressBadAnswer; `origin` is who gets the blame.
"""

import re
import zlib
from collections.abc import Iterable

from valetkey.errors import EgressBadAnswer

_GZIP = 16 + zlib.MAX_WBITS
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")


def head(status: int, raw: Iterable[tuple[bytes, bytes]], origin: str) -> dict[str, str]:
    """Return the headers of an answer whose body may be read: lower-case names, cookies left out."""
    headers: dict[str, str] = {}
    for name, value in ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw):
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if status < 200 or not _framed_one_way(headers):
        raise EgressBadAnswer(f"{origin} answered with something that is not HTTP")
    if 300 <= status < 400 and status != 304 and "location" in headers:
        raise EgressBadAnswer(f"{origin} answered with a redirect, which is never followed")
    headers.pop("set-cookie", None)
    return headers


def _framed_one_way(headers: dict[str, str]) -> bool:
    """Whether every hop between would agree where this answer ends (RFC 9112 section 6.3).

    aiohttp refuses two lengths by itself, but takes names with a space, controls, and `chunked` twice.
    """
    chunked = headers.get("transfer-encoding", "chunked").strip().lower() == "chunked"
    return chunked and all(_NAME.fullmatch(n) and _VALUE.fullmatch(v) for n, v in headers.items())


class Body:
    """Collects a body and refuses to let it grow past `cap` bytes, however small it was when it came.

    Content encodings are gzip and none: a second decompressor is a second way to be flooded.
    """

    def __init__(self, encoding: str, cap: int, origin: str) -> None:
        encoding = encoding.strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise EgressBadAnswer(f"{origin} answered in an encoding that was not asked for")
        self._gzip = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
        self._cap, self._origin = cap, origin
        self._bytes = bytearray()
        self._begun = False

    def add(self, piece: bytes) -> None:
        """Take the next piece as it came."""
        self._begun = True
        self._bytes += piece if self._gzip is None else self._inflated(self._gzip, piece)
        if len(self._bytes) > self._cap:
            raise EgressBadAnswer(f"{self._origin} answered with more than {self._cap} bytes")

    def whole(self) -> bytes:
        """Return the body, now that the last piece was added."""
        if self._gzip is not None and self._begun and not self._gzip.eof:
            raise EgressBadAnswer(f"{self._origin} answered with gzip that stops in the middle")
        return bytes(self._bytes)

    def _inflated(self, gzip: "zlib._Decompress", piece: bytes) -> bytes:
        try:
            # One byte over the cap is enough to know, and all that a bomb ever gets.
            plain = gzip.decompress(piece, self._cap - len(self._bytes) + 1)
        except zlib.error:
            raise EgressBadAnswer(f"{self._origin} answered with broken gzip") from None
        if gzip.unused_data:
            raise EgressBadAnswer(f"{self._origin} answered with something after its gzip")
        return plain
