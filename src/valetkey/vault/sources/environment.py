"""The root key as an environment variable, which the settings file names. Taken out as soon as it is read.

What the process was started with stays visible in /proc/PID/environ, to root and to this account.
"""

import os

from valetkey.vault.sources import decoded


def take(variable: str) -> bytes | None:
    """Return the key and take it out of the environment, where a child would inherit it.

    None where it is not set. Raises KeyFileError: what it holds is no key.
    """
    text = os.environ.pop(variable, None)
    return None if text is None else decoded(f"the variable {variable}", text.encode())
