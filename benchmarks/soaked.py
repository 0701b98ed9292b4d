"""`valetkey serve` in a process that can be asked how it is: python -m benchmarks.soaked HOME PORT.

At each SIGUSR1 it writes what it holds into a file of its home: tasks, objects by their types. Nothing else
is another than at an operator's.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from valetkey import cli

ANSWER = "holds.json"
MOST_TYPES = 2_000


def main(home: Path, port: str) -> None:
    """Serve a home until the process is asked to end."""
    os.environ["VALETKEY_HOME"] = str(home)
    sys.argv = ["valetkey", "serve", "--port", port]

    def asked(_: int, __: FrameType | None) -> None:
        say(home / ANSWER)

    signal.signal(signal.SIGUSR1, asked)
    cli.main()


def say(file: Path) -> None:
    """Write what this process holds, whole or not at all."""
    gc.collect()
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    holds = {"tasks": len(asyncio.all_tasks()), "kinds": dict(kinds.most_common(MOST_TYPES))}
    half = file.with_suffix(".half")
    half.write_text(json.dumps(holds))
    half.rename(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
