"""Debian's Chromium, which the page tests drive."""

from pathlib import Path

CHROMIUM = Path("/usr/bin/chromium")


def missing() -> bool:
    return not CHROMIUM.exists()
