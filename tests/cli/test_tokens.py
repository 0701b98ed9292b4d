"""Tokens on the command line: minted for a while, listed without themselves, ended at once."""

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def ana(cli: Cli) -> str:
    cli("people", "add", "ana")
    return "ana"


def test_a_token_is_listed_by_its_session_and_never_itself(cli: Cli, ana: str) -> None:
    token = cli("tokens", "mint", "--principal", ana, "--actor", "triage", "--minutes", "5").out.strip()
    listed = cli("tokens", "list", "--json")
    (row,) = listed.json
    assert (row["principal"], row["actor"]) == ("ana", "triage")
    assert row["until"] - row["created"] == 5 * 60_000
    assert token not in listed.out
    assert row["id"] in cli("tokens", "list").out


def test_a_token_that_ended_is_gone_from_the_list_and_cannot_end_again(cli: Cli, ana: str) -> None:
    cli("tokens", "mint", "--principal", ana, "--actor", "triage")
    session = cli("tokens", "list", "--json").json[0]["id"]
    assert cli("tokens", "revoke", session).code == 0
    assert cli("tokens", "list", "--json").json == []
    again = cli("tokens", "revoke", session)
    assert again.code == 1
    assert session in again.err


def test_both_ends_are_in_the_audit_by_the_session_alone(cli: Cli, ana: str) -> None:
    token = cli("tokens", "mint", "--principal", ana, "--actor", "triage").out.strip()
    session = cli("tokens", "list", "--json").json[0]["id"]
    cli("tokens", "revoke", session)
    listed = cli("audit", "list", "--actor", "triage", "--json")
    assert [event["kind"] for event in listed.json] == ["token.revoked", "token.minted"]
    assert {event["details"]["session"] for event in listed.json} == {session}
    assert token not in listed.out


@pytest.mark.parametrize("minutes", ["0", "43201", "-1", "soon"])
def test_minutes_out_of_range_are_a_usage_error(cli: Cli, ana: str, minutes: str) -> None:
    refused = cli("tokens", "mint", "--principal", ana, "--actor", "triage", "--minutes", minutes)
    assert (refused.code, refused.out) == (2, "")
    assert "--minutes" in refused.err


@pytest.mark.parametrize("minutes", ["1", "43200"])
def test_the_ends_of_the_range_are_in_it(cli: Cli, ana: str, minutes: str) -> None:
    assert cli("tokens", "mint", "--principal", ana, "--actor", "triage", "--minutes", minutes).code == 0


def test_a_name_no_agent_can_have_mints_nothing(cli: Cli, ana: str) -> None:
    refused = cli("tokens", "mint", "--principal", ana, "--actor", "Triage Bot")
    assert (refused.code, refused.out) == (1, "")
    assert cli("tokens", "list", "--json").json == []


def test_an_unknown_person_mints_nothing(cli: Cli) -> None:
    refused = cli("tokens", "mint", "--principal", "nobody", "--actor", "triage")
    assert (refused.code, refused.out) == (1, "")
    assert "valetkey people add nobody" in refused.err
