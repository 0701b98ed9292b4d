"""`valetkey serve` in a process that can be asked how it is: python -m benchmarks.soaked HOME PORT.

At each SIGUSR1 it writes what it holds into a file of its home: tasks, blocks of memory, objects by their
types. The first SIGUSR2 makes it remember where everything is made, the next tells it of what is there still:
that is slow. Nothing else is another than at an operator's.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

from valetkey import cli

ANSWER, TRACE = "holds.json", "trace.txt"
MOST_TYPES, MOST_PLACES, DEPTH = 2_000, 25, 8


def main(home: Path, port: str) -> None:
    """Serve a home until the process is asked to end."""
    os.environ["VALETKEY_HOME"] = str(home)
    sys.argv = ["valetkey", "serve", "--port", port]

    signal.signal(signal.SIGUSR1, lambda *_: say(home / ANSWER))
    signal.signal(signal.SIGUSR2, lambda *_: trace(home / TRACE))
    cli.main()


def say(file: Path) -> None:
    """Write what this process holds."""
    gc.collect()
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    holds = {
        "tasks": len(asyncio.all_tasks()),
        "blocks": sys.getallocatedblocks(),
        "kinds": dict(kinds.most_common(MOST_TYPES)),
    }
    whole(file, json.dumps(holds))


def whole(file: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    half = file.with_suffix(".half")
    half.write_text(text)
    half.rename(file)


def trace(file: Path) -> None:
    """Begin to remember where everything is made; the next time, tell it of what is there still."""
    if not tracemalloc.is_tracing():
        tracemalloc.start(DEPTH)
        return whole(file, "")
    gc.collect()
    found = tracemalloc.take_snapshot().statistics("traceback")[:MOST_PLACES]
    parts = [f"{one}\n" + "\n".join(one.traceback.format()) for one in found]
    return whole(file, "\n\n".join(parts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
