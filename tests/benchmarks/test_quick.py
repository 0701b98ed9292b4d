"""`make bench` runs: both sides start, answer rightly, and are compared. What it measures is no test."""

import subprocess
import sys

from tests.laws.source import ROOT


def test_a_quick_run_compares_both_sides_and_writes_nothing() -> None:
    page = ROOT / "docs" / "reference" / "performance.md"
    before = page.read_bytes() if page.exists() else None
    command = [sys.executable, "-m", "benchmarks", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "calls a second, c=64" in done.stdout
    assert "listing" in done.stdout
    assert (page.read_bytes() if page.exists() else None) == before
