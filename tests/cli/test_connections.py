"""Connections and grants on the command line, where there is little of either."""

import pytest

from tests.cli.conftest import Cli

LINK = ("connections", "link", "gmail", "--principal", "ana", "--actor", "triage")


@pytest.fixture(autouse=True)
def ana(cli: Cli) -> None:
    cli("people", "add", "ana")


def registered(cli: Cli) -> None:
    cli("registrations", "add", "google", "--client-id", "id", "--client-secret-stdin", stdin="s3cret")


def test_a_link_needs_a_client_at_the_provider(cli: Cli) -> None:
    refused = cli(*LINK)
    assert (refused.code, refused.out) == (1, "")
    assert "valetkey registrations add google" in refused.err


def test_a_link_is_all_of_stdout_and_the_same_while_it_is_open(cli: Cli) -> None:
    registered(cli)
    link = cli(*LINK)
    assert link.out.startswith("http://localhost:8917/connect/")
    assert cli(*LINK).out == link.out
    assert cli(*LINK, "--tool", "send_message").out != link.out


def test_who_made_the_link_is_in_the_audit(cli: Cli) -> None:
    registered(cli)
    cli(*LINK)
    event = cli("audit", "list", "--actor", "triage", "--limit", "1", "--json").json[0]
    assert (event["kind"], event["by"], event["principal_name"]) == ("request.linked", "operator", "ana")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("connections", "link", "gnail", "--principal", "ana", "--actor", "t"), "gmail,"),
        ((*LINK, "--tool", "list_unred"), "gmail.list_unread"),
        ((*LINK, "--tool", "slack.post_message"), "not a tool of gmail"),
        (("connections", "link", "gmail", "--principal", "eve", "--actor", "t"), "no person named `eve`"),
        (("connections", "list", "--principal", "eve"), "no person named `eve`"),
        (("connections", "revoke", "con_none"), "valetkey connections list"),
        (("grants", "list", "--principal", "eve"), "no person named `eve`"),
        (("grants", "revoke", "grt_none"), "valetkey grants list"),
        (("audit", "list", "--actor", "nobody"), "no agent named `nobody`"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    refused = cli(*arguments)
    assert (refused.code, refused.out) == (1, "")
    assert says in refused.err


@pytest.mark.parametrize("group", ["connections", "grants"])
def test_an_empty_list_is_no_error(cli: Cli, group: str) -> None:
    assert cli(group, "list", "--json").json == []
    shown = cli(group, "list")
    assert (shown.code, shown.out) == (0, "")
    assert shown.err
