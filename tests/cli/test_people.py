"""People on the command line: added, invited, listed, and written down."""

from tests.cli.conftest import Cli


def test_an_invitation_leads_to_the_server_and_is_all_of_stdout(cli: Cli) -> None:
    added = cli("people", "add", "ana")
    assert added.code == 0
    assert added.out.startswith("http://localhost:8917/join/")
    assert "ana" in added.err


def test_the_first_one_is_the_owner_and_nobody_has_joined(cli: Cli) -> None:
    cli("people", "add", "ana")
    cli("people", "add", "ben")
    rows = cli("people", "list", "--json").json
    assert [(row["name"], row["role"], row["state"]) for row in rows] == [
        ("ana", "owner", "invited"),
        ("ben", "person", "invited"),
    ]


def test_a_new_invitation_is_another_one(cli: Cli) -> None:
    first = cli("people", "add", "ana").out
    again = cli("people", "invite", "ana")
    assert again.out.startswith("http://localhost:8917/join/")
    assert again.out != first


def test_a_taken_or_unusable_name_changes_nothing(cli: Cli) -> None:
    cli("people", "add", "ana")
    for name, says in (("ana", "already"), ("Ana Almeida", "cannot be a name"), ("", "cannot be a name")):
        refused = cli("people", "add", name)
        assert refused.code == 1
        assert says in refused.err
    assert len(cli("people", "list", "--json").json) == 1


def test_nobody_to_invite_is_named_with_the_command_that_adds_them(cli: Cli) -> None:
    refused = cli("people", "invite", "ben")
    assert refused.code == 1
    assert "valetkey people add ben" in refused.err


def test_an_empty_list_says_how_to_fill_it(cli: Cli) -> None:
    shown = cli("people", "list")
    assert (shown.code, shown.out) == (0, "")
    assert "valetkey people add" in shown.err


def test_the_operator_who_did_it_is_in_the_audit(cli: Cli) -> None:
    cli("people", "add", "ana")
    events = cli("audit", "list", "--principal", "ana", "--json").json
    assert [event["kind"] for event in events] == ["person.invited", "person.added"]
    assert {event["by"] for event in events} == {"operator"}
    assert all(event["details"]["operator"] for event in events)
