"""Somebody whom a trusted issuer vouches for lets a client in: to say yes, they sign in there once more."""

from pathlib import Path

import httpx2

from tests.authserver.front import Front, told
from tests.pages.browser import Browser
from tests.support.town import OPERATOR, town
from tests.web.test_federated import ISSUERS, Gate, onward
from valetkey.model import Secret
from valetkey.sandbox import CORP_CLIENT


async def test_their_yes_takes_another_sign_in_at_their_issuer(tmp_path: Path) -> None:
    async with (
        town(tmp_path, more=ISSUERS) as here,
        Browser(url=here.url) as browser,
        httpx2.AsyncClient(base_url=here.url, trust_env=False) as http,
    ):
        corp = here.house.trust.issuers.named("corp")
        await here.house.trust.secrets.put(corp, CORP_CLIENT.id, Secret(CORP_CLIENT.secret), OPERATOR)
        gate, front = Gate(here), Front(here, await here.person("ben"), browser, http)
        client = await front.client(client_name="Reader")
        asked = (await browser.open(front.path(client))).location
        arrived = await browser.open(await gate.there(await gate.set_out(browser, path=asked)))
        page = await browser.follow(arrived)
        assert "Let Reader act for you?" in page.text
        assert 'value="allow"' not in page.response.text
        early = await browser.send(page, {"decision": "allow"})
        assert early.status == 403
        once_more = await browser.post(
            "/signin/corp",
            page.sheet().filled({"about": asked.rpartition("/")[2]}),
            {"Origin": here.url, "Sec-Fetch-Site": "same-origin", "Referer": here.url + asked},
        )
        back = await browser.open(await gate.there(onward(once_more)))
        again = await browser.follow(back)
        assert "You have just signed in at Corp" in again.text
        assert 'value="allow"' in again.response.text
        answer = told(await browser.send(again, {"decision": "allow"}))
        tokens = (await front.redeem(client, answer["code"])).json()
        found = await here.house.identity.of_token(tokens["access_token"])
        assert found.caller.principal.issuer == "corp"
