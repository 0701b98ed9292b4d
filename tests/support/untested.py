"""What is said at the end of a run of tests that were skipped because this machine lacks something."""

from collections.abc import Iterable

import pytest

WHAT = {
    "bubblewrap": ("tests of the image's confinement", "On Debian: apt-get install bubblewrap"),
    "caddy": ("tests behind Caddy", "On Debian: apt-get install caddy"),
    "chromium": ("page tests", "On Debian: apt-get install chromium"),
    "nginx": ("tests behind nginx", "On Debian: apt-get install nginx-light"),
    "npm": ("tests with real MCP clients", "On Debian: apt-get install npm. It needs its registry once"),
    "systemd": ("tests of the unit", "On Debian: apt-get install systemd"),
}
"""For each marker: which tests these are, and what helps."""


def notices(skipped: Iterable[pytest.TestReport]) -> list[str]:
    """One line for each marker whose tests did not run, with the first one's reason."""
    reports = list(skipped)
    marked = {marker: [report for report in reports if marker in report.keywords] for marker in WHAT}
    return [_notice(marker, found) for marker, found in marked.items() if found]


def _notice(marker: str, reports: list[pytest.TestReport]) -> str:
    tests, help_ = WHAT[marker]
    place = reports[0].longrepr
    reason = place[2] if isinstance(place, tuple) else ""
    return f"{len(reports)} {tests} DID NOT RUN: {reason.removeprefix('Skipped: ')}. {help_}."
