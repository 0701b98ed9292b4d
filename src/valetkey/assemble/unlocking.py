"""Opening a store's keys: the source that valetkey.toml names, and a root key made for a new store.

Sources that have libraries of their own are imported only where they are named.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from anyio import to_thread

from valetkey.errors import KeyFileError, SettingsError
from valetkey.model import Clock, Ids, Randomness
from valetkey.settings import Settings
from valetkey.settings.keys import AwsKmsSettings, TransitSettings
from valetkey.store import Store
from valetkey.vault import KeyRing
from valetkey.vault.keks import any_wrapped
from valetkey.vault.keys import unlock
from valetkey.vault.sources import KeySource, RootKey, environment, file, passphrase
from valetkey.vault.sources.handed import handed
from valetkey.vault.sources.passphrase import Header, InFile, Nobody, Passphrases


async def unlocked(
    settings: Settings,
    store: Store,
    ids: Ids,
    clock: Clock,
    randomness: Randomness,
    passphrases: Passphrases | None = None,
) -> KeyRing:
    """Open the key ring; a new store, and no other, gets a root key made for it. Raises KeyFileError."""
    wrapped = await any_wrapped(store)
    source = await root_source(settings, wrapped, randomness, passphrases or Nobody())
    return await unlock(store, source, ids, clock, randomness)


async def root_source(
    settings: Settings, wrapped: bytes | None, randomness: Randomness, passphrases: Passphrases
) -> KeySource:
    """Return the source that the settings name.

    `wrapped` is a key of the store as its source wrapped it; None: whatever can be made here is made.
    Raises KeyFileError, and SettingsError where a library is missing.
    """
    new, key = wrapped is None, settings.key
    match key.source:
        case "environment":
            return RootKey(key.source, f"the variable {key.variable}", await _given(settings), randomness)
        case "passphrase":
            return await _passphrase(settings, wrapped, randomness, passphrases)
        case "keyring":
            return await to_thread.run_sync(_keyring, key.keyring_entry, new, randomness)
        case "transit" if key.transit:
            return await to_thread.run_sync(_transit, settings, key.transit)
        case "aws_kms" if key.aws_kms:
            return await to_thread.run_sync(_aws_kms, settings, key.aws_kms)
    if new:
        file.make(settings.key_file, randomness)
    return RootKey(key.source, str(settings.key_file), file.read(settings.key_file), randomness)


async def _given(settings: Settings) -> bytes:
    name = settings.key.variable or ""
    secret = environment.take(name) or await handed(settings.home)
    if secret is None:
        raise KeyFileError(
            f"the variable {name} is not set, and no server on this home hands the key out; set it, or "
            "start `valetkey serve` with it"
        )
    return secret


async def _passphrase(
    settings: Settings, wrapped: bytes | None, randomness: Randomness, passphrases: Passphrases
) -> KeySource:
    """The key that a running server hands out, else the one that the passphrase makes."""
    named = settings.key.passphrase_file
    asked = InFile(settings.home / named) if named else passphrases
    header = Header.of(wrapped) if wrapped else Header.new(randomness)
    secret = await handed(settings.home) if wrapped else None
    if secret is None:
        text = asked.known() if wrapped else asked.chosen()
        secret = await to_thread.run_sync(passphrase.derived, text, header)
    return passphrase.root_key(secret, header, randomness)


def _keyring(entry: str, new: bool, randomness: Randomness) -> KeySource:  # noqa: FBT001 - called in a thread, by position
    with _extra("keyring"):
        from valetkey.vault.sources import os_keyring  # noqa: PLC0415 - its library is an extra
    if new:
        os_keyring.make(entry, randomness)
    return RootKey("keyring", os_keyring.where(entry), os_keyring.read(entry), randomness)


def _transit(settings: Settings, named: TransitSettings) -> KeySource:
    with _extra("openbao"):
        from valetkey.vault.sources.transit import Transit  # noqa: PLC0415 - its library is an extra
    verify, proxy = _way(settings)
    return Transit(named.url, named.mount, named.key, _token(settings, named), verify=verify, proxy=proxy)


def _token(settings: Settings, named: TransitSettings) -> str:
    if named.token_file:
        text = file.private(settings.home / named.token_file, "token", from_root=True).decode(
            "ascii", "replace"
        )
    else:
        text = os.environ.pop(named.token_variable or "", "")
    if not text.strip():
        raise KeyFileError("the token for [key.transit] is empty or not set; nothing was changed")
    return text.strip()


def _aws_kms(settings: Settings, named: AwsKmsSettings) -> KeySource:
    with _extra("aws"):
        from valetkey.vault.sources.aws_kms import AwsKms  # noqa: PLC0415 - its library is an extra
    verify, proxy = _way(settings)
    return AwsKms(named.key, named.region, named.endpoint, verify=verify, proxy=proxy)


def _way(settings: Settings) -> tuple[str | bool, str | None]:
    """The certificates and the proxy that these clients go by: those of [egress], and no variable's."""
    way = settings.egress
    return str(way.ca_bundle) if way.ca_bundle else True, way.proxy


@contextmanager
def _extra(name: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError:
        text = f"this `source` of [key] needs more: pip install 'valetkey[{name}]'"
        raise SettingsError(text) from None
