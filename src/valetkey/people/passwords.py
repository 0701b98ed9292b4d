"""Passwords: Argon2id (RFC 9106), checked in a thread so that the event loop never waits for one."""

import anyio.to_thread
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from valetkey.errors import UsageError
from valetkey.model import Randomness

SHORTEST, LONGEST = 12, 1_000
_PASSES, _LANES = 2, 1


class Passwords:
    """Makes and checks password hashes, two at a time."""

    memory_kib = 19_456
    """With two passes OWASP's first choice of equal strength; about 70 ms."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._limiter = anyio.CapacityLimiter(2)  # 19 MiB each; a flood of sign-ins waits its turn

    async def hashed(self, password: str) -> str:
        """Return the PHC string of a new password. Raises UsageError: too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(
                f"A password has {SHORTEST} to {LONGEST} characters; a short sentence is a good one."
            )
        return await anyio.to_thread.run_sync(self._hash, password, limiter=self._limiter)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether a password is the stored one; as slow for a person who does not exist."""
        return await anyio.to_thread.run_sync(self._check, password[:LONGEST], stored, limiter=self._limiter)

    def _hash(self, password: str) -> str:
        return self._kdf(self._randomness(16)).derive_phc_encoded(_bytes(password))

    def _check(self, password: str, stored: str | None) -> bool:
        if stored is None:
            self._hash(password)
            return False
        try:
            Argon2id.verify_phc_encoded(_bytes(password), stored)
        except InvalidKey:
            return False
        return True

    def _kdf(self, salt: bytes) -> Argon2id:
        return Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=_LANES, memory_cost=self.memory_kib)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
