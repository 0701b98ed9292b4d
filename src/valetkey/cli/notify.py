"""`valetkey notify`: the secrets with which notices are sent, and whether they arrive."""

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import in_house, operator
from valetkey.cli.output import say, tell
from valetkey.errors import UsageError
from valetkey.model import Secret

if TYPE_CHECKING:
    from valetkey.assemble import House

app = typer.Typer(name="notify", help="Telling people and you before something breaks.", no_args_is_help=True)


@app.command()
def test() -> None:
    """Send a test to the operator by every way that valetkey.toml names.

    What came of each goes to stdout. It exits with 1 if any of them failed.

    Example:
      valetkey notify test

    Then:
      valetkey status
    """

    async def trying(house: "House") -> dict[str, str]:
        return await house.notices.post.test()

    told = in_house(trying)
    if not told:
        raise UsageError("there is no way to the operator: [notify] in valetkey.toml names one")
    for way, outcome in told.items():
        say(f"{way}: {outcome}")
    if any(outcome != "taken" for outcome in told.values()):
        raise typer.Exit(1)


@app.command()
def password(
    *,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read it from stdin, not from the terminal.")
    ] = False,
) -> None:
    """Seal the password for the mail server, in place of the one before.

    It never stands in valetkey.toml.

    Example:
      valetkey notify password --stdin < password.txt

    Then:
      valetkey notify test
    """
    given = sys.stdin.readline().rstrip("\r\n") if stdin else getpass("Password for the mail server: ")
    if not given:
        raise UsageError("that is no password: nothing was given")

    async def sealing(house: "House") -> None:
        await house.notices.password.put(Secret(given), operator())

    in_house(sealing)
    tell("It is sealed; a server that runs uses it from the next mail on.")


@app.command()
def secret(
    *,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new one first.")] = False,
) -> None:
    """Print the secret with which webhooks are signed, for their receiver.

    It alone goes to stdout. After --rotate the one before signs as well for a
    week: give the receiver the new one in that time.

    Example:
      valetkey notify secret
      valetkey notify secret --rotate
    """

    async def reading(house: "House") -> str:
        from valetkey.notices import new_webhook_key, secret_text
        from valetkey.vault import Purpose

        ground = house.ground
        if rotate:
            made = (ground.store, ground.keys, ground.audit, ground.ids, ground.clock)
            await new_webhook_key(*made, operator())
        return secret_text(ground.keys.server(Purpose.WEBHOOK))

    say(in_house(reading))
    tell("Whoever has it can sign as this server: hand it to the receiver alone.")
