"""Agents on the command line: a secret shown once, a switch, and an end that leaves people's accounts be."""

from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from tests.cli.conftest import Cli

KEY = OKPKey.generate_key("Ed25519")


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "triage.pem"
    file.write_bytes(KEY.as_pem(private=False))
    return str(file)


def kinds(cli: Cli) -> list[str]:
    return [event["kind"] for event in cli("audit", "list", "--json").json]


def test_a_secret_alone_goes_to_stdout_and_is_never_shown_again(cli: Cli) -> None:
    added = cli("agents", "add", "triage")
    secret = added.out.strip()
    assert (added.code, added.out) == (0, f"{secret}\n")
    assert len(secret.split()) == 1
    shown = cli("agents", "show", "triage", "--json")
    assert shown.json["id"] in added.err
    assert shown.json["authenticates"] == "client_secret_basic"
    told = (added.err, shown.out, cli("agents", "list", "--json").out, cli("audit", "list", "--json").out)
    assert not any(secret in text for text in told)


def test_an_agent_with_a_key_is_shown_by_its_thumbprint(cli: Cli, key_file: str) -> None:
    added = cli("agents", "add", "triage", "--public-key", key_file)
    shown = cli("agents", "show", "triage", "--json").json
    assert added.out.strip() == shown["id"]
    assert (shown["authenticates"], shown["keys"]) == ("private_key_jwt", [KEY.thumbprint()])
    assert KEY.thumbprint() in cli("agents", "show", shown["id"]).out


@pytest.mark.parametrize(
    "content", [b"nonsense", b"\xff\xfe", KEY.as_pem(private=True)], ids=["prose", "no text", "private"]
)
def test_a_file_that_holds_no_public_key_adds_nobody(cli: Cli, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    refused = cli("agents", "add", "triage", "--public-key", str(tmp_path / "key"))
    assert (refused.code, refused.out) == (1, "")
    assert cli("agents", "list", "--json").json == []


def test_a_file_that_is_not_there_adds_nobody(cli: Cli, tmp_path: Path) -> None:
    refused = cli("agents", "add", "triage", "--public-key", str(tmp_path / "nothing"))
    assert (refused.code, refused.out) == (1, "")


@pytest.mark.parametrize("name", ["Triage Bot", "", "../x", "a" * 64])
def test_a_name_no_agent_can_have_adds_nobody(cli: Cli, name: str) -> None:
    assert cli("agents", "add", name).code == 1
    assert cli("agents", "list", "--json").json == []


def test_the_same_name_twice_is_refused_and_the_first_stays(cli: Cli) -> None:
    cli("agents", "add", "triage")
    first = cli("agents", "show", "triage", "--json").json
    again = cli("agents", "add", "triage")
    assert (again.code, again.out) == (1, "")
    assert "valetkey agents rotate triage" in again.err
    assert cli("agents", "show", "triage", "--json").json == first


def test_an_agent_that_a_token_was_minted_for_can_get_a_secret_and_keeps_the_token(cli: Cli) -> None:
    cli("people", "add", "ana")
    cli("tokens", "mint", "--principal", "ana", "--actor", "triage")
    assert cli("agents", "rotate", "triage").out.strip()
    shown = cli("agents", "show", "triage", "--json").json
    (session,) = shown["sessions"]
    assert (session["kind"], session["principal"]) == ("token", "ana")


def test_rotate_changes_what_it_authenticates_with(cli: Cli, key_file: str) -> None:
    first = cli("agents", "add", "triage").out
    second = cli("agents", "rotate", "triage").out
    assert first != second
    cli("agents", "rotate", "triage", "--public-key", key_file)
    assert cli("agents", "show", "triage", "--json").json["keys"] == [KEY.thumbprint()]
    assert kinds(cli).count("agent.rotated") == 2


def test_suspend_and_resume_are_seen_in_the_list_and_in_the_audit(cli: Cli) -> None:
    cli("agents", "add", "triage")
    assert cli("agents", "suspend", "triage").code == 0
    assert cli("agents", "list", "--json").json[0]["state"] == "suspended"
    assert cli("agents", "suspend", "triage").code == 1
    assert cli("agents", "resume", "triage").code == 0
    assert cli("agents", "list", "--json").json[0]["state"] == "active"
    assert cli("agents", "resume", "triage").code == 1
    assert kinds(cli)[:2] == ["agent.resumed", "agent.suspended"]


def test_remove_ends_its_tokens_and_nobody_elses(cli: Cli) -> None:
    cli("people", "add", "ana")
    for actor in ("triage", "other"):
        cli("tokens", "mint", "--principal", "ana", "--actor", actor)
    assert cli("agents", "remove", "triage").code == 0
    assert [row["actor"] for row in cli("tokens", "list", "--json").json] == ["other"]
    assert [row["name"] for row in cli("agents", "list", "--json").json] == ["other"]
    assert kinds(cli)[0] == "agent.removed"


@pytest.mark.parametrize("command", ["show", "suspend", "resume", "remove", "rotate"])
def test_an_unknown_agent_is_an_error_that_names_the_list(cli: Cli, command: str) -> None:
    refused = cli("agents", command, "nobody")
    assert (refused.code, refused.out) == (1, "")
    assert "valetkey agents list" in refused.err
