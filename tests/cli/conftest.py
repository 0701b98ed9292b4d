"""A home for the command line, and the command line itself: in this process, and as a script starts it."""

import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from valetkey.cli import main

VALETKEY = Path(sys.executable).parent / "valetkey"


@dataclass(frozen=True)
class Ran:
    """How a command ended. `json` is what it put on stdout, parsed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """VALETKEY_HOME, not made yet."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VALETKEY_HOME", str(folder))
    return folder


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command as `main` runs it, on `home`: `cli("people", "add", "ana")`."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["valetkey", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """What a script that starts `valetkey` has in its environment."""
    return {"PATH": os.environ["PATH"], "HOME": str(home.parent), "VALETKEY_HOME": str(home)}
