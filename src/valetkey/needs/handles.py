"""The handle in a link: a look-up key with an HMAC, no credential. The page behind it asks who is there."""

import base64
import binascii
import hmac

from valetkey.vault import KeyRing, Purpose

PREFIX = "req"
_MAC = 16


class Handles:
    """Turns ids of access requests into handles, and back: only those that were made here."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def of(self, request_id: str) -> str:
        """Return base64url(id | HMAC): 43 characters that say nothing about anybody."""
        raw = bytes.fromhex(request_id.removeprefix(f"{PREFIX}_"))
        return base64.urlsafe_b64encode(raw + self._mac(raw)).decode().rstrip("=")

    def opened(self, handle: str) -> str | None:
        """Return the id in a handle, None where it was not made here."""
        try:
            raw = base64.b64decode(handle + "=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        good = len(raw) == 16 + _MAC and hmac.compare_digest(self._mac(raw[:16]), raw[16:])
        return f"{PREFIX}_{raw[:16].hex()}" if good else None

    def _mac(self, raw: bytes) -> bytes:
        return bytes.fromhex(self._keys.server(Purpose.LINK).digest(f"request {raw.hex()}"))[:_MAC]
