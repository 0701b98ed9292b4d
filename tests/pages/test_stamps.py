"""Stamps: made for one thing, and good for nothing else."""

import pytest

from valetkey.pages.stamps import Stamps
from valetkey.vault import Vault


async def test_a_stamp_fits_what_it_was_made_for(vault: Vault) -> None:
    stamps = Stamps(vault.keys)
    assert stamps.fits(stamps.make("form", "session", "ses_1"), "form", "session", "ses_1")


@pytest.mark.parametrize(
    "about",
    [("form", "session", "ses_2"), ("form", "browser", "ses_1"), ("form", "sessionses_1"), ("form",), ()],
)
async def test_a_stamp_fits_nothing_else(vault: Vault, about: tuple[str, ...]) -> None:
    stamps = Stamps(vault.keys)
    assert not stamps.fits(stamps.make("form", "session", "ses_1"), *about)


@pytest.mark.parametrize("stamp", ["", "0" * 64, "é", "x" * 10_000])
async def test_what_is_no_stamp_fits_nothing(vault: Vault, stamp: str) -> None:
    assert not Stamps(vault.keys).fits(stamp, "form")
