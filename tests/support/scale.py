"""How hard a test of what must survive tries: a little within `make test`, all of it in `make soak`."""

import os

FULL = os.environ.get("VALETKEY_SCALE") == "full"


def scaled(ci: int, full: int) -> int:
    """How many points, people or rows to try: `full` in `make soak`."""
    return full if FULL else ci
