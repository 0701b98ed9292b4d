"""The password of the database in a file of its own."""

from pathlib import Path

import pytest

from valetkey.errors import SettingsError
from valetkey.settings import load

URL = "postgresql://valetkey@db.internal:5433/valetkey?sslmode=verify-full"


def told(home: Path, *lines: str) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "valetkey.toml").write_text("\n".join(lines) + "\n")
    (home / "valetkey.toml").chmod(0o600)


def test_it_is_put_into_the_url_and_into_no_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/w:rd\n")
    told(tmp_path / "home", f'store = "{URL}"', 'store_password_file = "../password"')
    found = load(tmp_path / "home")
    assert found.store == URL.replace("valetkey@", "valetkey:p%40ss%2Fw%3Ard@")
    assert "p%40ss" not in repr(found)


@pytest.mark.parametrize(
    "store",
    ["", 'store = "postgresql://db.internal/valetkey"', 'store = "postgresql://valetkey:one@db.internal/v"'],
)
def test_it_has_to_have_somewhere_to_go(tmp_path: Path, store: str) -> None:
    (tmp_path / "password").write_text("other\n")
    told(tmp_path / "home", store, 'store_password_file = "../password"')
    with pytest.raises(SettingsError, match="name of an account and no password"):
        load(tmp_path / "home")


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"\xff\xfe", "not UTF-8")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    told(tmp_path / "home", f'store = "{URL}"', 'store_password_file = "../password"')
    with pytest.raises(SettingsError, match=f"password.*{reason}"):
        load(tmp_path / "home")
