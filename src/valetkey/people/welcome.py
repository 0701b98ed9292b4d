"""The code with which the owner shows, before they have chosen how to sign in, that they are not their agent.

It lies in a file of the home: whoever can read that can read the key, too (`docs/threat-model.md`). A program
that can only open pages cannot.
"""

import hmac
from pathlib import Path

from valetkey.errors import PageError
from valetkey.model import Clock, Principal
from valetkey.people.tries import Tries
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose

FILE = "welcome-code"


class Welcome:
    """Lays out the code in a file, compares what is typed with it, and takes the file away."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, home: Path) -> None:
        self._store, self._keys, self._tries = store, keys, Tries(store, clock)
        self.file = home / FILE

    def lay_out(self, owner: Principal) -> None:
        """Write the file, for this account of the machine alone; the same code each time."""
        self.file.touch(mode=0o600)
        self.file.write_text(f"{self._code(owner)}\n")

    def clear_away(self) -> None:
        self.file.unlink(missing_ok=True)

    async def is_right(self, owner: Principal, typed: str) -> bool:
        """Whether this is the code. Raises PageError 429 when too many others were typed."""
        about = self._digest("tried", owner)
        if seconds := await self._tries.claim(about):
            raise PageError(429, "Wait a moment", f"Too many wrong codes. Try again in {seconds} seconds.")
        if not hmac.compare_digest(_plain(typed).encode(), _plain(self._code(owner)).encode()):
            return False
        async with self._store.transaction() as tx:
            await self._tries.forget(tx, about)
        return True

    def _code(self, owner: Principal) -> str:
        digest = self._digest("code", owner)
        return f"{digest[:4]}-{digest[4:8]}"

    def _digest(self, what: str, owner: Principal) -> str:
        return self._keys.server(Purpose.LOOKUP).digest(f"welcome {what} {owner.subject}")


def _plain(code: str) -> str:
    return "".join(code.lower().split()).replace("-", "")
