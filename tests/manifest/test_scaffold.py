"""A new connector that passes as it is, and whose example replays."""

from pathlib import Path

import pytest

from valetkey.errors import UsageError
from valetkey.manifest import Catalog, check
from valetkey.manifest.scaffold import KINDS, scaffold


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_begun_passes_as_it_is(tmp_path: Path, kind: str) -> None:
    scaffold(tmp_path, "acme_desk", kind, "2026-11-24")
    assert check(tmp_path / "acme_desk") == []
    connector = Catalog.load([tmp_path]).connectors["acme_desk"]
    assert (connector.auth.type, list(connector.tools)) == (kind, ["list_things"])


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        scaffold(tmp_path, "acme", "oauth2", "2026-11-24")
    assert list((tmp_path / "acme").iterdir()) == []


@pytest.mark.parametrize("name", ["Acme", "../acme", "1acme", "ac-me", ""])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a connector's name"):
        scaffold(tmp_path, name, "oauth2", "2026-11-24")
    assert list(tmp_path.iterdir()) == []
