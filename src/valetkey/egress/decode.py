"""A body taken piece by piece under a cap on its decoded size. Content encodings: gzip or none."""

import zlib

from valetkey.errors import EgressBadAnswer

_GZIP = 16 + zlib.MAX_WBITS


class Body:
    """Collects a body and refuses to let it grow past `cap` bytes, however small it was when it came.

    Every method raises EgressBadAnswer; `origin` is who gets the blame.
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
        self._bytes += piece if self._gzip is None else self._inflated(piece)
        if len(self._bytes) > self._cap:
            raise EgressBadAnswer(f"{self._origin} answered with more than {self._cap} bytes")

    def whole(self) -> bytes:
        """Return the body, now that the last piece was added."""
        if self._gzip is not None and self._begun and not self._gzip.eof:
            raise EgressBadAnswer(f"{self._origin} answered with gzip that stops in the middle")
        return bytes(self._bytes)

    def _inflated(self, piece: bytes) -> bytes:
        assert self._gzip is not None  # noqa: S101 - for the type checker; `add` asked
        try:
            # One byte over the cap is enough to know, and all a bomb ever gets.
            plain = self._gzip.decompress(piece, self._cap - len(self._bytes) + 1)
        except zlib.error:
            raise EgressBadAnswer(f"{self._origin} answered with broken gzip") from None
        if self._gzip.unused_data:
            raise EgressBadAnswer(f"{self._origin} answered with something after its gzip")
        return plain
