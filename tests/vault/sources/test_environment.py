"""A root key in a variable: read once, gone for whoever is started afterwards."""

import base64
import os
import subprocess
import sys

import pytest

from valetkey.errors import KeyFileError
from valetkey.vault.sources import environment

KEY, NAME = bytes(range(32)), "VALETKEY_TEST_KEY"


def test_it_is_read_once_and_no_child_inherits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, base64.b64encode(KEY).decode() + "\n")
    assert environment.take(NAME) == KEY
    assert environment.take(NAME) is None
    child = [sys.executable, "-S", "-c", "import os; print(*os.environ)"]
    assert NAME not in subprocess.run(child, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("size", [0, 31, 33])
def test_what_is_no_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    text = base64.b64encode(b"\x07" * size).decode()
    monkeypatch.setenv(NAME, text)
    with pytest.raises(KeyFileError, match=f"the variable {NAME}: .* this is {size}") as caught:
        environment.take(NAME)
    assert not text or text not in str(caught.value)
    assert NAME not in os.environ


@pytest.mark.parametrize("text", [base64.b64encode(bytes(32)).decode(), "*" * 44, KEY.hex()])
def test_zeros_and_what_is_not_base64_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(NAME, text)
    with pytest.raises(KeyFileError, match=r"all zero|not base64|this is 48"):
        environment.take(NAME)
