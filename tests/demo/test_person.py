"""The person with a browser says what a page lacks, and goes only so far."""

import anyio
import pytest

from valetkey.demo.person import PersonWithBrowser
from valetkey.errors import UsageError
from valetkey.model import SystemClock
from valetkey.sandbox import Sandbox, running


async def test_a_form_that_is_not_there_is_named() -> None:
    with anyio.fail_after(10):
        async with running(Sandbox(SystemClock())) as url, PersonWithBrowser() as browser:
            await browser.open(f"{url}/o/oauth2/v2/auth")
            with pytest.raises(UsageError, match="no form with password"):
                await browser.submit(password="x")
            with pytest.raises(UsageError, match="no form with /revoke"):
                await browser.press("/revoke")
