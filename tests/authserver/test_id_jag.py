"""Identity assertions under attack: whose, for which client, for us, once, now; and what one is good for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.agents import Alone, alone
from tests.support.town import Town, town
from valetkey.authserver.id_jag import JWT_BEARER
from valetkey.model import MINUTE, SECOND, Principal

ANA = "ana@example.com"
CORP = """
[issuers.corp]
url = "https://corp.example/acme"
id_jag = true
[issuers.partner]
url = "https://partner.example/team"
"""


@dataclass
class Desk:
    """A town that takes corp's assertions and not partner's, and a client that authenticates."""

    town: Town
    client: Alone

    def assertion(self, issuer: str = "corp", **changed: Any) -> str:
        made = getattr(self.town.sandbox, issuer)
        said = {"audience": self.town.url, "resource": f"{self.town.url}/mcp", "client": self.client.agent.id}
        said |= {name: changed.pop(name) for name in list(changed) if name in said}
        return str(made.id_jag(ANA, **said, **changed))

    async def redeem(self, assertion: str, **form: str) -> httpx2.Response:
        asked = {"grant_type": JWT_BEARER, "assertion": assertion, **form}
        return await self.client.http.post(f"{self.town.url}/token", data=asked)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with town(tmp_path, more=CORP, clients=()) as here, alone(here) as client:
        yield Desk(here, client)


async def test_an_assertion_lets_its_client_in_for_its_person(desk: Desk) -> None:
    answer = await desk.redeem(desk.assertion())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["token_type"], body["scope"], body["expires_in"]) == ("Bearer", "mcp", 600)
    assert "refresh_token" not in body
    found = await desk.town.house.identity.of_token(body["access_token"])
    assert found.caller.principal == Principal("corp", "corp-ana")
    assert found.caller.actor.client == desk.client.agent.id


async def test_it_grants_nothing(desk: Desk) -> None:
    """The issuer says who may come; what they may do, the person says."""
    token = (await desk.redeem(desk.assertion())).json()["access_token"]
    async with desk.town.wire(token) as wire:
        leg = await wire.call("gmail.list_unread", {})
    assert "inputRequests" in leg or "no client at" in str(leg)


async def test_it_counts_once(desk: Desk) -> None:
    assertion = desk.assertion()
    assert (await desk.redeem(assertion)).status_code == 200
    again = await desk.redeem(assertion)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await desk.redeem(desk.assertion())).status_code == 200


async def test_two_issuers_may_number_theirs_alike(tmp_path: Path) -> None:
    both = CORP + "id_jag = true\n"
    async with town(tmp_path, more=both, clients=()) as here, alone(here) as client:
        desk = Desk(here, client)
        for issuer in ("corp", "partner"):
            assert (await desk.redeem(desk.assertion(issuer, jti="1"))).status_code == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        pytest.param({"audience": "https://other.example"}, "invalid_grant", id="another server"),
        pytest.param({"audience": []}, "invalid_grant", id="no audience"),
        pytest.param({"client": "somebody-else"}, "invalid_grant", id="another client"),
        pytest.param({"client_id": None}, "invalid_grant", id="no client"),
        pytest.param({"resource": "https://other.example/mcp"}, "invalid_target", id="another resource"),
        pytest.param({"resource": None}, "invalid_target", id="no resource"),
        pytest.param({"header": {"typ": "JWT"}}, "invalid_grant", id="another type"),
        pytest.param({"header": {"typ": "at+jwt"}}, "invalid_grant", id="an access token"),
        pytest.param({"header": {"typ": None}}, "invalid_grant", id="no type"),
        pytest.param({"header": {"alg": "none"}}, "invalid_grant", id="no signature"),
        pytest.param({"iss": "https://evil.example"}, "invalid_grant", id="an issuer nobody named"),
        pytest.param({"iss": "https://partner.example/team"}, "invalid_grant", id="another issuer"),
        pytest.param({"sub": None}, "invalid_grant", id="no person"),
        pytest.param({"jti": None}, "invalid_grant", id="nothing to count it by"),
        pytest.param({"jti": "x" * 513}, "invalid_grant", id="an endless number"),
        pytest.param({"exp": None}, "invalid_grant", id="no end"),
        pytest.param({"iat": None}, "invalid_grant", id="no beginning"),
        pytest.param({"exp": 1}, "invalid_grant", id="long over"),
        pytest.param({"exp": 9999999999}, "invalid_grant", id="good for ever"),
        pytest.param({"scope": "operate"}, "invalid_scope", id="another scope"),
    ],
)
async def test_an_assertion_for_something_else_is_refused(
    desk: Desk, changed: dict[str, Any], error: str
) -> None:
    answer = await desk.redeem(desk.assertion(**changed))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await desk.town.house.ground.store.all("SELECT 1 FROM sessions") == []


async def test_an_issuer_whose_assertions_are_not_wanted_lets_nobody_in(desk: Desk) -> None:
    answer = await desk.redeem(desk.assertion("partner"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_client_that_does_not_authenticate_is_let_in_for_nobody(desk: Desk) -> None:
    """An assertion that was overheard is worth nothing without its client's own proof."""
    asked = {"grant_type": JWT_BEARER, "assertion": desk.assertion(), "client_id": desk.client.agent.id}
    async with httpx2.AsyncClient(trust_env=False) as anybody:
        answer = await anybody.post(f"{desk.town.url}/token", data=asked)
    assert answer.status_code in {400, 401}
    async with alone(desk.town) as other:
        stolen = await Desk(desk.town, other).redeem(desk.assertion())
    assert stolen.json()["error"] == "invalid_grant"


async def test_a_request_may_ask_for_no_more(desk: Desk) -> None:
    assert (await desk.redeem(desk.assertion(), scope="mcp operate")).json()["error"] == "invalid_scope"
    other = f"{desk.town.url}/mcp/flat"
    assert (await desk.redeem(desk.assertion(), resource=other)).json()["error"] == "invalid_target"
    narrow = await desk.redeem(desk.assertion(resource=other), resource=other)
    assert narrow.status_code == 200


async def test_its_token_ends_after_ten_minutes(desk: Desk) -> None:
    token = (await desk.redeem(desk.assertion())).json()["access_token"]
    desk.town.clock.advance(10 * MINUTE + 10 * SECOND)
    async with desk.town.wire(token) as wire:
        answer = await wire.post({}, wire.headers("tools/list"))
    assert answer.status_code == 401


async def test_an_issuer_that_is_down_is_no_reason_to_give_up(desk: Desk) -> None:
    desk.town.sandbox.corp.provider.faults.set("api", "status", status=500)
    answer = await desk.redeem(desk.assertion())
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


async def test_it_is_offered_where_it_is_taken(desk: Desk, tmp_path: Path) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        said = (await http.get(f"{desk.town.url}/.well-known/oauth-authorization-server")).json()
    assert JWT_BEARER in said["grant_types_supported"]
    assert said["authorization_grant_profiles_supported"] == ["urn:ietf:params:oauth:grant-profile:id-jag"]
