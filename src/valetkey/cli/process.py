"""What a process of ours asks of the operating system: no core files, enough sockets, no onlookers."""

import ctypes
import resource
import sys

from valetkey.errors import SettingsError

_PR_SET_DUMPABLE = 4  # prctl(2)
_ENOUGH_FILES = 65_536


def no_core_files() -> None:
    """A core file would hold every token that was open when the process fell."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def room_for_sockets() -> None:
    """Take as many open files as this account may have: the usual 1,024 are few for a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def no_onlookers() -> None:
    """Close this process to others of the same account: to debuggers, and to readers of its memory.

    Raises SettingsError where the system has no such thing.
    """
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise SettingsError("`traceable = false` needs Linux; take it out of valetkey.toml")
