"""`valetkey` with every logger at DEBUG, with rooms that blow up, or talk, while they hold a secret.

It is forked from the warm process. While the file `fuse` exists, each of `BOMBS` raises what nobody foresees,
with the secret in its text and in the error behind it; while `leak` exists, they log it in every spelling.
"""

import logging
import os
import sys
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.support.canary import spellings
from valetkey import cli
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.connections.credentials import ConnectionCredentials
from valetkey.people import Accounts
from valetkey.serving import logs
from valetkey.settings.notify import LogsSettings

BOMBS: tuple[tuple[type, str, Callable[[Any], str]], ...] = (
    (ConnectionCredentials, "current", lambda done: done.headers["Authorization"].reveal()),
    (Accounts, "sign_in", lambda given: str(given[1])),
    (RefreshTokens, "session", lambda given: str(given[0])),
)
"""Where: what is done there, and the secret in what it returns or, where that holds none, was given."""


def valetkey(folder: str, arguments: list[str], **environment: str) -> None:
    """Run a command on the home in a folder. `raw.log` is all that is said to any logger, before the nets."""
    here = Path(folder)
    os.environ.clear()
    os.environ.update(PATH=os.defpath, HOME=folder, VALETKEY_HOME=str(here / "home"), **environment)
    os.environ["PYTHONASYNCIODEBUG"] = "1"
    os.chdir(here / "cores")
    warnings.simplefilter("default")
    for room, name, secret in BOMBS:
        setattr(room, name, _loaded(getattr(room, name), secret, here))
    set_up = logs.set_up
    setattr(logs, "set_up", lambda settings: _loudly(set_up, settings, here / "raw.log"))  # noqa: B010 - see mypy
    _listen(here / "raw.log", [])
    started = ["--starter", str(os.getppid())] if arguments == ["stdio"] else []  # it is in its own session
    sys.argv = ["valetkey", *arguments, *started]
    try:
        cli.main()
    except Exception:
        sys.excepthook(*sys.exc_info())  # what a process that breaks leaves behind; the warm one would not
        raise


def _loaded(done: Callable[..., Awaitable[Any]], secret: Callable[[Any], str], here: Path) -> Any:
    """Return the same, which blows up while there is a fuse, and tells while there is a leak."""
    fuse, leak = here / "fuse", here / "leak"

    async def bomb(room: Any, *given: Any, **more: Any) -> Any:
        result = await done(room, *given, **more)
        if leak.exists():
            for spelling in spellings(secret(given or result)).values():
                logging.getLogger("leak").debug(spelling.decode("latin-1"))
        if fuse.exists():
            _blow_up(secret(given or result))
        return result

    return bomb


def _blow_up(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError:
        raise RuntimeError(f"nobody foresaw {text}")  # noqa: B904 - it hangs behind the other one as __context__


def _loudly(set_up: Callable[[LogsSettings], None], settings: LogsSettings, raw: Path) -> None:
    """Set up what an operator has, and beside it what there would be without its nets."""
    set_up(settings)
    (handler,) = logging.getLogger().handlers
    held = {
        name: logging.getLogger(name).level for name in logs._TALKATIVE
    }  # what the operator's never hears
    handler.addFilter(lambda record: record.levelno >= held.get(record.name.partition(".")[0], logging.DEBUG))
    handler.filters.reverse()  # before the other one renders it
    for name in held:
        logging.getLogger(name).setLevel(logging.NOTSET)
    _listen(raw, [handler])


def _listen(raw: Path, others: list[logging.Handler]) -> None:
    """All that is logged goes to a file, as it is and before anybody changes it."""
    everything = logging.FileHandler(raw)
    everything.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    root = logging.getLogger()
    root.handlers = [everything, *others]
    root.setLevel(1)
