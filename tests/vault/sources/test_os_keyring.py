"""A root key in a keyring, through the real library, with backends of the kinds that it meets."""

import os
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null

from valetkey.errors import KeyFileError
from valetkey.vault.sources import os_keyring


class InMemory(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring's own carries none
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def kept() -> Iterator[dict[tuple[str, str], str]]:
    before, backend = keyring.get_keyring(), InMemory()
    keyring.set_keyring(backend)
    yield backend.kept
    keyring.set_keyring(before)


def test_a_key_is_made_once_and_read_back(kept: dict[tuple[str, str], str]) -> None:
    os_keyring.make("one", lambda size: b"\x03" * size)
    os_keyring.make("one", lambda size: b"\x04" * size)
    assert os_keyring.read("one") == b"\x03" * 32
    assert list(kept) == [("valetkey", "one")]


def test_a_missing_entry_is_named_and_not_made_up(kept: dict[tuple[str, str], str]) -> None:
    with pytest.raises(KeyFileError, match="`one`: the key of this store is missing"):
        os_keyring.read("one")
    assert kept == {}


@pytest.mark.parametrize("text", ["", "AAAA", "*" * 44, "A" * 43 + "="])
def test_an_entry_that_is_no_key_is_refused(kept: dict[tuple[str, str], str], text: str) -> None:
    kept["valetkey", "one"] = text
    with pytest.raises(KeyFileError, match="`one`: the key"):
        os_keyring.read("one")


@pytest.mark.usefixtures("kept")
def test_where_there_is_no_keyring_it_says_so() -> None:
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]  # as above
    for ask in (lambda: os_keyring.read("one"), lambda: os_keyring.make("one", bytes)):
        with pytest.raises(KeyFileError, match=r"no keyring can be used \(NoKeyringError\)"):
            ask()


@pytest.mark.usefixtures("kept")
def test_a_keyring_that_keeps_nothing_is_found_out_before_a_store_stands_on_it() -> None:
    keyring.set_keyring(null.Keyring())  # type: ignore[no-untyped-call]  # as above
    with pytest.raises(KeyFileError, match="does not keep what is put there"):
        os_keyring.make("one", lambda size: b"\x03" * size)


@pytest.mark.usefixtures("kept")
def test_a_variable_chooses_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    os_keyring.make("one", lambda size: b"\x03" * size)
    assert "PYTHON_KEYRING_BACKEND" not in os.environ
