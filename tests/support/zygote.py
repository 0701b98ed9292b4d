"""A warm process that has imported the house and started nothing: what is to be killed is forked from it.

    python -m tests.support.zygote SOCKET

A fork costs milliseconds where a start costs a second, so that hundreds of kills fit into a run. Each
connection to the socket becomes one process, `victim` its side in the test; its first line says what to run.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from tests.support.catalogs import cached
from valetkey.egress import pool, wire
from valetkey.manifest import Catalog, shipped
from valetkey.people.passwords import Passwords

WARM = (
    "rich.console",
    "tests.copies.dying",
    "tests.support.victims",
    "valetkey.cli.serve",
    "valetkey.copies",
    "valetkey.serving",
    "valetkey.store.postgres",
    "anyio._backends._asyncio",
    "uvloop",
)
"""What is imported before the first fork. None of it starts a thread."""

CONNECTORS = Path(__file__).parent / "connectors"


def main(path: Path) -> None:
    """Fork until the test's process ends, and with it our input; then end all that is left."""
    _warm()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        print("ready", flush=True)  # noqa: T201 - whoever started us waits for it
        while _wanted(listener):
            connection, _ = listener.accept()
            _bury()
            if os.fork() == 0:
                listener.close()
                _become(connection)
            connection.close()
    os.killpg(0, signal.SIGKILL)


def _warm() -> None:
    """Import and read once what every house needs, as `conftest` does in the tests' own process."""
    for name in WARM:
        import_module(name)
    tls = cache(pool.tls)
    tls(None)
    setattr(wire, "tls", tls)  # noqa: B010 - it is not wire's to export
    Passwords.memory_kib = 64
    Catalog.load = cached(Catalog.load)  # type: ignore[method-assign]  # a function, too
    for folders in ([shipped()], [shipped(), CONNECTORS]):
        Catalog.load(folders, allow_hooks=[shipped()])
    gc.collect()
    gc.freeze()  # a child that collects would copy every page


def _wanted(listener: socket.socket) -> bool:
    """Wait for the next connection; False: nobody is there to make one."""
    ready, _, _ = select.select([listener, sys.stdin], [], [])
    return sys.stdin not in ready


def _bury() -> None:
    """Take leave of the dead. Not before the next birth: until then nobody else has their number."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become(connection: socket.socket) -> None:
    """Be what the first line says, on this connection as input and output. Never returns."""
    for descriptor in (0, 1):
        os.dup2(connection.fileno(), descriptor)
    connection.close()
    code = 70  # EX_SOFTWARE: an exception that nobody caught
    try:
        wanted = json.loads(sys.stdin.readline())
        code = _run(wanted["run"], wanted["arguments"], wanted["log"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os.write(1, b'{"exit": %d}\n' % code)
        os._exit(code)


def _run(name: str, arguments: dict[str, object], log: str | None) -> int:
    if log:
        with open(log, "a") as opened:  # noqa: PTH123 - as a descriptor
            os.dup2(opened.fileno(), 2)
    print(json.dumps({"pid": os.getpid()}), flush=True)  # noqa: T201 - the test reads it
    module, _, function = name.partition(":")
    run: Callable[..., None] = getattr(import_module(module), function)
    run(**arguments)
    return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
