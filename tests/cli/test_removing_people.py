"""`valetkey people remove` beside a running server: a person goes, with everything that was theirs."""

import httpx2
import pytest

from tests.cli.test_beside_a_server import Beside, ask, beside, connected
from tests.support.wire import text
from valetkey.audit.verify import verify
from valetkey.connections.revoke import Revocation
from valetkey.errors import UsageError

__all__ = ["beside"]  # a fixture


async def _token(beside: Beside, name: str) -> str:
    return (await beside("tokens", "mint", "--principal", name, "--actor", "triage")).out.strip()


async def _connected(beside: Beside, token: str, name: str) -> None:
    async with beside.town.client(token, beside.town.approving(name, f"{name}@example.com")) as agent:
        assert not (await agent.call_tool("gmail.list_unread", {"limit": 1})).is_error


async def test_everything_that_was_theirs_ends_and_nothing_of_anybody_else_s(beside: Beside) -> None:
    here = beside.town
    await here.person("ben")
    ana_s, ben_s = await beside.token(), await _token(beside, "ben")
    await connected(beside, ana_s)
    await _connected(beside, ben_s, "ben")
    removed = await beside.elsewhere("people", "remove", "ben")
    assert removed.code == 0, removed.err
    assert "gmail: " in removed.err
    assert await _status(beside, ben_s) == 401
    assert not (await ask(here, ana_s)).is_error
    revoked = {grant.account: grant.revoked for grant in here.sandbox.google.grants()}
    assert revoked == {"ana@example.com": False, "ben@example.com": True}
    assert await here.house.accounts.sign_in("ben", "correct horse battery") is None
    ground = here.house.ground
    assert (await verify(ground.store, ground.keys)).ok


async def test_whoever_comes_later_under_the_name_begins_with_nothing(beside: Beside) -> None:
    here = beside.town
    await here.person("ben")
    await _connected(beside, await _token(beside, "ben"), "ben")
    await beside("people", "remove", "ben")
    await here.person("ben")
    asked = await ask(here, await _token(beside, "ben"))
    assert "is not connected" in text(asked)
    assert (await beside("grants", "list", "--principal", "ben", "--json")).json == []


async def test_a_removal_that_was_cut_off_leaves_nobody_in_and_can_be_given_again(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = beside.town
    await here.person("ben")
    token = await _token(beside, "ben")
    await _connected(beside, token, "ben")
    with monkeypatch.context() as patch:
        patch.setattr(Revocation, "revoke", _cut_off)
        assert (await beside("people", "remove", "ben")).code == 1
    assert await _status(beside, token) == 401
    assert await here.house.accounts.sign_in("ben", "correct horse battery") is None
    assert (await beside("people", "remove", "ben")).code == 0
    assert [grant.revoked for grant in here.sandbox.google.grants()] == [True]
    assert "no person named" in (await beside("people", "remove", "ben")).err


async def _cut_off(*_: object) -> None:
    raise UsageError("the power went")


async def test_the_owner_and_nobody_are_not_removed(beside: Beside) -> None:
    owner, nobody = await beside("people", "remove", "ana"), await beside("people", "remove", "zoe")
    assert (owner.code, nobody.code) == (1, 1)
    assert "is the owner of this server" in owner.err
    assert "no person named `zoe`" in nobody.err


async def _status(beside: Beside, token: str) -> int:
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return (await http.post(f"{beside.town.url}/mcp", json=asked, headers=headers)).status_code
