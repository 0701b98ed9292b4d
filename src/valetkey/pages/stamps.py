"""Stamps: keyed digests that bind a form to its browser, and a confirmed password to its page."""

import hmac
import json

from valetkey.vault import KeyRing, Purpose


class Stamps:
    """Makes and checks stamps with the server's page keys, the same in every process on a store."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def make(self, *about: str) -> str:
        return self._keys.server(Purpose.PAGE).digest(_text(about))

    def fits(self, stamp: str, *about: str) -> bool:
        """Whether a stamp was made for this, by a key that still counts."""
        keys, text = self._keys.all_for(Purpose.PAGE), _text(about)
        return any(hmac.compare_digest(key.digest(text).encode(), stamp.encode()) for key in keys)


def _text(about: tuple[str, ...]) -> str:
    return json.dumps(["stamp", *about])  # a list, so that no two lists of parts give the same text
