"""Grants on the command line: the operator takes away, and only the person, by their password, adds."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from valetkey.assemble import House
from valetkey.cli.house import in_house
from valetkey.grants import Given
from valetkey.model import DAY, Grant

PASSWORD = "correct horse battery"


@pytest.fixture
def grant(home: Path, cli: Cli) -> Grant:
    """What Ana allows triage: to read her mail and to send some, for a day."""
    cli("people", "add", "ana")
    return in_house(_given)


async def _given(house: House) -> Grant:
    store = house.ground.store
    async with store.transaction() as tx:
        ana = await house.accounts.named(tx, "ana")
        secret = await house.accounts.invite(tx, ana)
        agent = await house.agents.named(tx, "triage")
    await house.accounts.join(secret, PASSWORD)
    given = Given(frozenset({"gmail:read", "gmail.send_message"}), frozenset(), DAY, uses=10)
    async with store.transaction() as tx:
        return await house.grants.give(tx, ana.principal, agent.id, ["con_1"], given)


def _now(cli: Cli, grant: Grant) -> dict[str, object]:
    shown = cli("grants", "show", grant.id, "--json")
    assert shown.code == 0
    return dict(shown.json)


def _last(cli: Cli) -> dict[str, object]:
    return dict(cli("audit", "list", "--limit", "1", "--json").json[0])


def test_a_grant_is_shown_with_each_tool_it_allows(cli: Cli, grant: Grant) -> None:
    (listed,) = cli("grants", "list", "--actor", "triage", "--json").json
    assert (listed["id"], listed["principal"], listed["left"]) == (grant.id, "ana", 10)
    shown = _now(cli, grant)
    assert "gmail.list_unread" in str(shown["allows"])
    assert "gmail.trash_message" not in str(shown["allows"])
    told = cli("grants", "show", grant.id).out
    assert all(word in told for word in ("ana", "triage", "gmail:read", "calls left"))


def test_what_is_taken_away_is_refused_from_then_on(cli: Cli, grant: Grant) -> None:
    ran = cli("grants", "narrow", grant.id, "--without", "gmail.get_message", "--lasts", "1h", "--uses", "2")
    assert ran.code == 0
    shown = _now(cli, grant)
    assert shown["refused"] == ["gmail.get_message"]
    assert "gmail.get_message" not in str(shown["allows"])
    assert (shown["left"], int(str(shown["until"])) < (grant.until or 0)) == (2, True)
    assert (_last(cli)["kind"], _last(cli)["by"]) == ("grant.narrowed", "operator")


def test_a_whole_entry_can_be_taken_away(cli: Cli, grant: Grant) -> None:
    assert cli("grants", "narrow", grant.id, "--without", "gmail:read").code == 0
    assert _now(cli, grant)["tools"] == ["gmail.send_message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--lasts", "30d", "--uses", "900"), "nothing"),
        (("--without", "gmail:read", "--without", "gmail.send_message"), "revoke it instead"),
        (("--without", "gmail.send_mesage"), "gmail.send_message"),
        ((), "nothing"),
    ],
)
def test_narrowing_never_widens(cli: Cli, grant: Grant, arguments: tuple[str, ...], says: str) -> None:
    before = _now(cli, grant)
    refused = cli("grants", "narrow", grant.id, *arguments)
    assert (refused.code, says in refused.err) == (1, True), refused.err
    assert _now(cli, grant) == before


def test_more_takes_the_password_of_the_person(cli: Cli, grant: Grant) -> None:
    more = ("--tool", "gmail.trash_message", "--lasts", "until-revoked", "--uses", "20", "--away")
    ran = cli("grants", "extend", grant.id, *more, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert ran.code == 0, ran.err
    shown = _now(cli, grant)
    assert (shown["until"], shown["left"], shown["offline"]) == (None, 20, True)
    assert "gmail.trash_message" in str(shown["allows"])
    assert (_last(cli)["kind"], _last(cli)["by"]) == ("grant.extended", "person")


@pytest.mark.parametrize("stdin", ["wrong wrong wrong\n", "\n", ""])
def test_without_it_nothing_is_added(cli: Cli, grant: Grant, stdin: str) -> None:
    before = _now(cli, grant)
    refused = cli("grants", "extend", grant.id, "--lasts", "30d", "--password-stdin", stdin=stdin)
    assert (refused.code, "not the password of ana" in refused.err) == (1, True)
    assert _now(cli, grant) == before
    assert _last(cli)["kind"] == "person.sign_in_failed"


def test_a_script_without_a_terminal_is_told_the_way(cli: Cli, grant: Grant) -> None:
    refused = cli("grants", "extend", grant.id, "--lasts", "30d")
    assert (refused.code, "--password-stdin" in refused.err) == (1, True)


def test_somebody_without_a_password_is_sent_to_their_own_page(cli: Cli, grant: Grant) -> None:
    async def forgetting(house: House) -> None:
        async with house.ground.store.transaction() as tx:
            await house.accounts.set_password(tx, grant.principal, None)

    in_house(forgetting)
    refused = cli("grants", "extend", grant.id, "--lasts", "30d", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (refused.code, f"/mine/grants/{grant.id}" in refused.err) == (1, True)


@pytest.mark.parametrize("span", ["8", "8 hours", "0h", "-1h", "h"])
def test_a_span_that_is_none_is_refused_before_anything_is_done(cli: Cli, grant: Grant, span: str) -> None:
    assert cli("grants", "narrow", grant.id, "--lasts", span).code == 2


@pytest.mark.parametrize("command", ["show", "narrow", "extend", "revoke"])
def test_a_grant_that_is_not_there_is_named(cli: Cli, command: str) -> None:
    refused = cli("grants", command, "grt_none")
    assert (refused.code, "grt_none" in refused.err) == (1, True)


def test_a_revoked_grant_is_gone(cli: Cli, grant: Grant) -> None:
    assert [cli("grants", "revoke", grant.id).code for _ in range(2)] == [0, 1]
    assert cli("grants", "list", "--json").json == []
