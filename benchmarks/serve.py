"""One side in a process of its own: `python -m benchmarks.serve SIDE PORT …`, on uvloop where it exists.

A side is a module here, and no other is imported; what follows the port is for its `main`.
"""

import importlib.util
import sys

import anyio

FAST = importlib.util.find_spec("uvloop") is not None


async def main(*arguments: str) -> None:
    """Serve one side: `upstream`, `floor URL COUNT` or `ours URL COUNT HOME`."""
    side, port, *rest = arguments
    await importlib.import_module(f"benchmarks.{side}").main(int(port), *rest)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": FAST})
