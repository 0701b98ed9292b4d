"""The operator's socket: a server hands the root key to commands on its home that cannot find it themselves.

Why this is no weaker than a key file beside it is said in docs/adr/0013-the-operators-socket.md.
"""

import logging

import anyio

from valetkey.assemble import Ground
from valetkey.vault.sources import RootKey
from valetkey.vault.sources.handed import hand_out, handed

_NOT_FOUND_TWICE = {"environment", "passphrase"}
"""Sources of which this process took the key for itself: another has to ask."""

_EVERY_SECONDS = 5
_log = logging.getLogger(__name__)


async def hand_out_key(ground: Ground) -> None:
    """Hand the root key out until cancelled, if commands need that. One server of a home does it at a time.

    Where onlookers are kept out of this process (`traceable = false`), nobody gets it from here either.
    """
    source, settings = ground.keys.keks.source, ground.settings
    if not (settings.traceable and isinstance(source, RootKey) and source.kind in _NOT_FOUND_TWICE):
        return
    while True:
        if await handed(settings.home) is None:
            try:
                await hand_out(settings.home, source.secret)
            except OSError as error:
                _log.warning("commands on this home have to bring the key themselves: no socket (%s)", error)
        await anyio.sleep(_EVERY_SECONDS)
