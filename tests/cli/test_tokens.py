"""Tokens on the command line: minted for a while, listed without themselves, ended at once."""

import json
from base64 import b64decode
from typing import Any

import pytest

from tests.cli.conftest import Cli
from valetkey.assemble import House
from valetkey.cli.house import in_house
from valetkey.people import Kind


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


def test_a_new_key_signs_and_tokens_of_the_old_one_still_let_their_clients_in(cli: Cli, ana: str) -> None:
    before = cli("tokens", "mint", "--principal", ana, "--actor", "triage").out.strip()
    rotated = cli("tokens", "rotate-key")
    after = cli("tokens", "mint", "--principal", ana, "--actor", "triage").out.strip()
    assert (rotated.code, rotated.out) == (0, "")
    kids = [json.loads(b64decode(token.partition(".")[0] + "=="))["kid"] for token in (before, after)]
    assert kids[0] != kids[1]
    assert kids[1] in rotated.err
    events = {event["kind"]: event for event in cli("audit", "list", "--json").json}
    assert events["key.rotated"]["details"]["kid"] == kids[1]


def test_a_client_that_was_signed_in_is_listed_with_its_label_and_ended(cli: Cli, ana: str) -> None:
    async def sign_in(house: House) -> str:
        async with house.ground.store.transaction() as tx:
            person = await house.accounts.named(tx, ana)
            agent = await house.agents.add(tx, "cli_1", "Claude Code", Kind.DYNAMIC)
            more: dict[str, Any] = {"scopes": ("mcp",), "resource": None, "label": "localhost"}
            session = await house.sessions.start_client(tx, person.principal, agent.id, 60_000, **more)
            browser, _ = await house.sessions.start_browser(tx, person.principal)
        await house.authserver.refresh_tokens.first(session)
        return browser.id

    browser = in_house(sign_in)
    (row,) = cli("tokens", "list", "--json").json
    assert (row["kind"], row["principal"], row["actor"], row["label"]) == (
        "client",
        "ana",
        "Claude Code",
        "localhost",
    )
    assert cli("tokens", "revoke", browser).code == 1
    assert cli("tokens", "revoke", row["id"]).code == 0
    assert cli("tokens", "list", "--json").json == []
    assert cli("audit", "list", "--json").json[0]["kind"] == "token.revoked"


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
