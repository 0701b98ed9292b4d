"""What a process of ours asks of the operating system: no core files, enough sockets, memory that is given
back, no onlookers.
"""

import ctypes
import resource
import sys

from valetkey.errors import SettingsError

_PR_SET_DUMPABLE = 4  # prctl(2)
_ENOUGH_FILES = 65_536
_M_MMAP_THRESHOLD = -3  # mallopt(3)
_LARGE = 1 << 20


def no_core_files() -> None:
    """A core file would hold every token that was open when the process fell."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def room_for_sockets() -> None:
    """Take as many open files as this account may have: the usual 1,024 are few for a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def memory_given_back() -> None:
    """Let what is large be memory of its own, which the system has back as soon as it is free.

    glibc stops doing that once something large was freed: the next password's 19 MiB would come from the
    heap, whose holes fill with what is small, so that a server that serves for days grows and holds no more.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # glibc alone has it
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def no_onlookers() -> None:
    """Close this process to others of the same account: to debuggers, and to readers of its memory.

    Raises SettingsError where the system has no such thing.
    """
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise SettingsError("`traceable = false` needs Linux; take it out of valetkey.toml")
