"""One side in a process of its own: `python -m benchmarks.serve SIDE PORT …`, on uvloop where it exists."""

import importlib.util
import sys
from pathlib import Path

import anyio

from benchmarks import floor, ours, upstream

FAST = importlib.util.find_spec("uvloop") is not None


async def main(side: str, port: int, *rest: str) -> None:
    """Serve one side: `upstream`, `floor URL COUNT` or `ours URL COUNT HOME`."""
    if side == "upstream":
        await upstream.main(port)
    elif side == "floor":
        await floor.main(port, rest[0], int(rest[1]))
    else:
        await ours.main(port, rest[0], int(rest[1]), Path(rest[2]))


if __name__ == "__main__":
    side, port, *rest = sys.argv[1:]
    anyio.run(main, side, int(port), *rest, backend_options={"use_uvloop": FAST})
