"""Debian's Chromium, which the page tests drive, and what is said where it is missing."""

from pathlib import Path

CHROMIUM = Path("/usr/bin/chromium")


def missing() -> bool:
    return not CHROMIUM.exists()


def notice(skipped: int) -> str:
    return f"{skipped} page tests DID NOT RUN: there is no {CHROMIUM}. On Debian: apt-get install chromium"
