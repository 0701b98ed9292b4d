"""`valetkey issuers`: the other issuers that valetkey.toml names, our clients' secrets there, and a look."""

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import in_house, operator
from valetkey.cli.output import AsJson, dump, listed, say, tell, text, words
from valetkey.errors import UsageError
from valetkey.model import Json, Secret

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.identity.issuers import Issuer

app = typer.Typer(
    name="issuers", help="Issuers beside this server whose tokens count here.", no_args_is_help=True
)
Which = Annotated[str, typer.Argument(metavar="NAME", help="As valetkey.toml names it.", show_default=False)]


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show the issuers that valetkey.toml names, and what each is for.

    Register the printed redirect URI at an issuer where people sign in.

    Example:
      valetkey issuers list

    Then:
      valetkey issuers check corp
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        return [_row(house, issuer) for issuer in house.trust.issuers]

    columns = {"name": text, "url": text, "audience": text, "uses": words, "redirect_uri": text}
    empty = "There is none: a table [issuers.NAME] in valetkey.toml adds one."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def show(name: Which, *, as_json: AsJson = False) -> None:
    """Show one issuer as it is in force, and which secrets are sealed.

    Example:
      valetkey issuers show corp

    Then:
      valetkey issuers secret corp --stdin
    """

    async def reading(house: "House") -> dict[str, Json]:
        issuer = house.trust.issuers.named(name)
        rules = issuer.rules.model_dump(mode="json")
        sealed = [one for one in _clients(issuer) if await house.trust.secrets.has(issuer, one)]
        return {**rules, **_row(house, issuer), "secrets_sealed_for": sealed}

    shown = in_house(reading)
    if as_json:
        dump(shown)
        return
    for key, value in shown.items():
        say(f"{key.replace('_', ' '):<20} {_written(value)}")


@app.command()
def secret(
    name: Which,
    client_id: Annotated[
        str | None,
        typer.Option(help="Of which client, if there are two.", show_default="the only one"),
    ] = None,
    *,
    stdin: Annotated[bool, typer.Option("--stdin", metavar="", help="Read it from stdin.")] = False,
) -> None:
    """Seal the secret of our client at an issuer, in place of any before.

    It is asked for, or read from stdin: as an argument it would stand in the
    list of processes and in the shell's history. A public client needs none.

    Example:
      valetkey issuers secret corp --stdin < secret.txt

    Then:
      valetkey issuers check corp
    """

    async def sealing(house: "House") -> str:
        issuer = house.trust.issuers.named(name)
        client = _client(issuer, client_id)
        await house.trust.secrets.put(issuer, client, _read(from_stdin=stdin), operator())
        return client

    tell(f"The secret of the client {in_house(sealing)} at {name} is sealed.")


@app.command()
def check(name: Which, *, as_json: AsJson = False) -> None:
    """Ask an issuer what it publishes, and say whether that is enough.

    It looks at the metadata, the keys, and what signing in and introspection
    need. It exits with 1 if something is missing.

    Example:
      valetkey issuers check corp
    """
    from valetkey.cli.issuer_checks import examined

    found = in_house(lambda house: examined(house.trust, house.trust.issuers.named(name)))
    if as_json:
        dump([one.as_json() for one in found])
    else:
        for one in found:
            say(f"{one.level:<6}{one.about:<16}{one.text}")
    if any(one.level == "fail" for one in found):
        raise typer.Exit(1)


def _row(house: "House", issuer: "Issuer") -> dict[str, Json]:
    rules = issuer.rules
    uses = {
        "access tokens": True,
        "introspection": rules.introspection is not None,
        "sign-in": rules.sign_in is not None,
        "exchange": bool(rules.exchange_audiences),
        "ID-JAG": rules.id_jag,
    }
    return {
        "name": issuer.key,
        "url": issuer.url,
        "audience": issuer.audience,
        "uses": [use for use, wanted in uses.items() if wanted],
        "redirect_uri": house.trust.sign_ins.redirect_uri(issuer) if rules.sign_in else None,
    }


def _clients(issuer: "Issuer") -> list[str]:
    """The ids of our clients at an issuer, each once."""
    tables = (issuer.rules.sign_in, issuer.rules.introspection)
    return list(dict.fromkeys(table.client_id for table in tables if table))


def _client(issuer: "Issuer", named: str | None) -> str:
    """Raises UsageError where it is not clear whose secret is meant."""
    known = _clients(issuer)
    if not known:
        raise UsageError(f"[issuers.{issuer.key}] names no client of ours: `sign_in` and `introspection` do")
    if named is None and len(known) > 1:
        raise UsageError(f"say with --client-id which client's secret it is: {' or '.join(known)}")
    if named is not None and named not in known:
        raise UsageError(f"[issuers.{issuer.key}] names no client {named}; there is {' and '.join(known)}")
    return named or known[0]


def _read(*, from_stdin: bool) -> Secret:
    """Raises UsageError when there is none to read."""
    if not from_stdin and not sys.stdin.isatty():
        raise UsageError("this is no terminal to ask for the secret on: pass --stdin")
    asked = getpass("Client secret: ", stream=sys.stderr) if not from_stdin else sys.stdin.readline()
    if not asked.strip():
        raise UsageError("there was no secret to read; nothing was changed")
    return Secret(asked.strip())


def _written(value: Json) -> str:
    if isinstance(value, list):
        return words(str(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_written(inner)}" for key, inner in value.items())
    return text(value)
