"""The root key under which the tests' stores stand."""

import secrets

from valetkey.vault.sources import RootKey


def root_key(secret: bytes, kind: str = "file") -> RootKey:
    """A root key in memory, as a source of some kind would give it."""
    return RootKey(kind, f"the key of {kind}", secret, secrets.token_bytes)


ROOT_KEY = root_key(bytes(range(32)))
