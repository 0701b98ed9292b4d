"""What no committed text may hold: machines' paths, registries' hosts, the work's bookkeeping."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.laws.source import ROOT

# Written so that this file does not break its own law.
FORBIDDEN = {
    "a package registry's host": r"py[p]i\.org|pythonhosted\.or[g]|registry\.np[m]js|deb\.debia[n]\.org",
    "a path of one machine": r"(?<![\w.])/(?:work|root|Users|home/\w+)/\w",
    "the number of an issue": r"\b[Ii]ssues? #?\d",
}
LICENCE = "LICENSE"  # not our words


def committed() -> list[Path]:
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name and name != LICENCE)
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_text_holds(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:100]}"
        for path in committed()
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert not found, "\n".join(found)
