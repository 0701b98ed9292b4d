"""The root key in the desktop's keyring, through the library `keyring`: an extra.

Which keyring that is comes from the desktop or keyring's own file, never from the environment.
"""

import os

import keyring
from keyring.errors import KeyringError

from valetkey.errors import KeyFileError
from valetkey.model import Randomness
from valetkey.vault.sources import ROOT_BYTES, decoded, encoded

_SERVICE = "valetkey"


def make(entry: str, randomness: Randomness) -> None:
    """Put a new key there, unless there is one. Raises KeyFileError: it cannot, or does not keep it."""
    if _asked(entry) is not None:
        return
    text = encoded(randomness(ROOT_BYTES)).decode().strip()
    try:
        keyring.set_password(_SERVICE, entry, text)
    except KeyringError as error:
        raise _refused(entry, error) from None
    if _asked(entry) != text:  # `null` takes everything and keeps nothing
        raise KeyFileError(f"{where(entry)}: it does not keep what is put there; see `keyring diagnose`")


def read(entry: str) -> bytes:
    """Return the 32 bytes of the key. Raises KeyFileError: no keyring, locked, no entry, no key."""
    text = _asked(entry)
    if text is None:
        raise KeyFileError(f"{where(entry)}: the key of this store is missing; put it back from a backup")
    return decoded(where(entry), text.encode())


def where(entry: str) -> str:
    """Where the key is, in words."""
    return f"the keyring's entry `{_SERVICE}`, `{entry}`"


def _asked(entry: str) -> str | None:
    os.environ.pop("PYTHON_KEYRING_BACKEND", None)
    try:
        return keyring.get_password(_SERVICE, entry)
    except KeyringError as error:
        raise _refused(entry, error) from None


def _refused(entry: str, error: KeyringError) -> KeyFileError:
    problem = f"no keyring can be used ({type(error).__name__}); unlock it, or choose another `source`"
    return KeyFileError(f"{where(entry)}: {problem}")
