"""`make bench` runs: every side starts, answers rightly, and is compared. What it measures is no test."""

import subprocess
import sys

from tests.laws.source import ROOT

SHOWN = (
    "A whole read, beside the floor",
    "A whole write, beside the floor",
    "A whole listing, beside the floor",
    "When tokens end",
    "How it grows",
    "Keys",
)


def test_a_quick_run_measures_everything_and_writes_nothing() -> None:
    page = ROOT / "docs" / "reference" / "performance.md"
    before = page.read_bytes() if page.exists() else None
    command = [sys.executable, "-m", "benchmarks", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for title in SHOWN:
        assert title in done.stdout
    assert (page.read_bytes() if page.exists() else None) == before
