"""Registrations on the command line: the secret's ways in, and the redirect URI that is printed."""

import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.conftest import VALETKEY, Cli, Ran
from valetkey.cli.registrations import refusal

GMAIL = "https://www.googleapis.com/auth/gmail"
MODIFY, READ, SEND = f"{GMAIL}.modify", f"{GMAIL}.readonly", f"{GMAIL}.send"
ADD = ("registrations", "add", "google", "--client-id", "id")


def added(cli: Cli, *more: str, secret: str = "s3cret") -> Ran:
    return cli(*ADD, "--client-secret-stdin", *more, stdin=secret)


def test_the_redirect_uri_is_all_of_stdout_and_named_after_the_provider(cli: Cli) -> None:
    assert added(cli).out == "http://localhost:8917/callback/google\n"


def test_a_list_shows_everything_but_the_secret(cli: Cli) -> None:
    added(cli, "--name", "my-gmail", "--scopes", f"{SEND} {READ},{MODIFY}")
    listed = cli("registrations", "list", "--json")
    assert listed.json == [
        {
            "name": "my-gmail",
            "provider": "google",
            "client_id": "id",
            "scopes": [MODIFY, READ, SEND],
            "redirect_uri": "http://localhost:8917/callback/my-gmail",
        }
    ]
    assert "s3cret" not in listed.out + cli("registrations", "list").out


@contextmanager
def asked(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command while it asks for the secret, and the terminal on which it does."""
    terminal, stdin = pty.openpty()
    with subprocess.Popen(
        [VALETKEY, *ADD],
        env=environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that nothing is asked on the terminal of whoever runs the tests
    ) as command:
        assert command.stderr
        assert command.stderr.read(len("Client secret: ")) == b"Client secret: "
        yield command, terminal
    os.close(terminal)
    os.close(stdin)


def test_a_terminal_is_asked_and_does_not_show_what_is_typed(environment: dict[str, str]) -> None:
    with asked(environment) as (command, terminal):
        os.write(terminal, b"s3cret\n")
        out, _ = command.communicate(timeout=60)
        readable, _, _ = select.select([terminal], [], [], 0)
        echoed = os.read(terminal, 100) if readable else b""
    assert (command.returncode, out) == (0, b"http://localhost:8917/callback/google\n")
    assert b"s3cret" not in echoed


def test_an_interrupt_ends_quietly(environment: dict[str, str]) -> None:
    with asked(environment) as (command, _):
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err.strip()) == (130, b"", b"")


def test_without_a_terminal_the_secret_has_to_be_on_stdin(cli: Cli) -> None:
    refused = cli(*ADD, stdin="s3cret")
    assert refused.code == 1
    assert "--client-secret-stdin" in refused.err
    assert added(cli, secret="\n").code == 1
    assert cli("registrations", "list", "--json").json == []


def test_a_name_is_taken_once(cli: Cli) -> None:
    added(cli)
    again = added(cli)
    assert again.code == 1
    assert "--name" in again.err


def test_an_unknown_provider_is_answered_with_those_there_are(cli: Cli) -> None:
    refused = cli("registrations", "add", "goggle", "--client-id", "id", "--client-secret-stdin", stdin="x")
    assert refused.code == 1
    assert "google," in refused.err


def test_slack_is_told_to_need_https(cli: Cli) -> None:
    told = cli("registrations", "add", "slack", "--client-id", "id", "--client-secret-stdin", stdin="x")
    assert told.code == 0
    assert "public_url" in told.err
    assert refusal("slack", "https://valetkey.example.com/callback/slack") is None
    assert refusal("google", "http://localhost:8917/callback/google") is None


def test_a_provider_is_looked_up_before_a_secret_is_asked_for(cli: Cli) -> None:
    refused = cli("registrations", "add", "googel", "--client-id", "id")
    assert refused.code == 1
    assert "there are: github, google, slack" in refused.err


def test_the_name_of_a_connector_is_answered_with_its_provider(cli: Cli) -> None:
    refused = cli("registrations", "add", "gmail", "--client-id", "id")
    assert "the provider that it uses is `google`" in refused.err


def test_a_ceiling_of_scopes_that_nobody_asks_for_is_refused_with_the_nearest(cli: Cli) -> None:
    refused = added(cli, "--scopes", f"{READ} {GMAIL}.sent")
    assert (refused.code, refused.out) == (1, "")
    assert f"did you mean `{SEND}`?" in refused.err
    assert "there are: " in added(cli, "--scopes", "chat:write").err
    assert cli("registrations", "list", "--json").json == []


def test_one_that_is_removed_is_gone_and_its_name_is_free(cli: Cli) -> None:
    added(cli)
    removed = cli("registrations", "remove", "google")
    assert (removed.code, removed.out) == (0, "")
    assert cli("registrations", "list", "--json").json == []
    assert "no registration named `google`" in cli("registrations", "remove", "google").err
    assert added(cli, secret="another").code == 0
    kinds = [event["kind"] for event in cli("audit", "list", "--json").json]
    assert kinds == ["registration.added", "registration.removed", "registration.added"]
    assert cli("audit", "verify").code == 0
