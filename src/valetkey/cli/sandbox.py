"""`valetkey sandbox`: the built-in providers, to try things out against."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import run
from valetkey.cli.output import say
from valetkey.errors import SettingsError
from valetkey.model import SystemClock

if TYPE_CHECKING:
    from valetkey.sandbox import Client


def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where on this machine; 0 for any free one.")
    ] = 4101,
) -> None:
    """Run invented providers to try things out against.

    They are Google with Gmail and Calendar, GitHub, Slack and a few of no
    company, with people and data; all of it is forgotten when they stop. What
    is printed is the \\[hosts] table that sends a server's requests here, and the
    clients to register.

    Example:
      valetkey sandbox --port 4101

    Then:
      put the table into valetkey.toml, add the registrations,
      and `valetkey serve`
    """
    run(lambda: _serve(port))


async def _serve(port: int) -> None:
    from valetkey.sandbox import Sandbox, running
    from valetkey.serving import until_signal

    try:
        async with running(Sandbox(SystemClock()), port) as base_url:
            await until_signal(lambda: _announce(base_url))
    except OSError as error:
        text = f"127.0.0.1:{port} cannot be used ({error.strerror}); choose another with --port"
        raise SettingsError(text) from None


def _announce(base_url: str) -> None:
    from valetkey.sandbox import GITHUB_CLIENT, GOOGLE_CLIENT, PEOPLE, SLACK_CLIENT, hosts

    say(f"The sandbox is at {base_url}. For valetkey.toml:\n\n[hosts]")
    for origin, target in hosts(base_url).items():
        say(f'"{origin}" = "{target}"')
    say("\nIts clients:\n")
    _registration("google", GOOGLE_CLIENT)
    _registration("github", GITHUB_CLIENT)
    _registration("slack", SLACK_CLIENT)
    say(f"\nIts people: {', '.join(person.email for person in PEOPLE)}. Ctrl-C stops it.")


def _registration(provider: str, client: "Client") -> None:
    say(
        f"printf %s {client.secret} | valetkey registrations add {provider} --name my-{provider}"
        f" --client-id {client.id} --client-secret-stdin"
    )
