"""Challenges: what a passkey signs. Each is for one purpose in one browser, good once and for five minutes.

Making one keeps nothing, so that opening a page changes nothing: a stamp of ours says what it was made for.
"""

import base64
import hmac
import json

from valetkey.model import MINUTE, Clock, Randomness
from valetkey.people.once import Once
from valetkey.store import Transaction
from valetkey.vault import KeyRing, Purpose

LASTS = 5 * MINUTE


class Challenges:
    """Makes challenges, and uses them up."""

    def __init__(self, keys: KeyRing, clock: Clock, randomness: Randomness) -> None:
        self._keys, self._clock, self._randomness = keys, clock, randomness
        self._once = Once(clock)

    def new(self, *about: str) -> bytes:
        """Return a challenge for what it is about: a purpose, a page, a browser."""
        made = f"{self._clock.now()}.{base64.urlsafe_b64encode(self._randomness(18)).decode()}"
        stamp = self._keys.server(Purpose.PAGE).digest(_text(made, about))
        return f"{made}.{stamp}".encode()

    async def used_up(self, tx: Transaction, challenge: bytes, *about: str) -> bool:
        """Whether this is ours, about this, not late and not used before. From now on it is used."""
        made, _, stamp = challenge.decode("ascii", "replace").rpartition(".")
        keys, text = self._keys.all_for(Purpose.PAGE), _text(made, about)
        if not any(hmac.compare_digest(key.digest(text).encode(), stamp.encode()) for key in keys):
            return False
        at = int(made.partition(".")[0])
        if not 0 <= self._clock.now() - at < LASTS:
            return False
        return await self._once.first(tx, f"challenge {stamp}", at + LASTS)


def _text(made: str, about: tuple[str, ...]) -> str:
    return json.dumps(["challenge", made, *about])  # a list, so that no two lists of parts give the same text
