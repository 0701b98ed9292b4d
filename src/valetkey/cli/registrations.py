"""`valetkey registrations`: the operator's own clients at providers. A secret never is an argument."""

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import in_house, operator, settings
from valetkey.cli.output import AsJson, listed, say, tell, text, words
from valetkey.errors import UsageError
from valetkey.model import Json, Registration, Secret

if TYPE_CHECKING:
    from valetkey.assemble import House

app = typer.Typer(
    name="registrations", help="The clients that you registered at providers.", no_args_is_help=True
)

HTTPS_ONLY = frozenset({"slack"})
"""Providers that refuse a redirect URI with plain http, even on this machine. No manifest says it yet."""


@app.command()
def add(
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="As `valetkey connectors list` shows it.")
    ],
    client_id: Annotated[str, typer.Option(help="From the provider's console.", show_default=False)],
    name: Annotated[
        str | None,
        typer.Option(help="Part of the redirect URI, for good.", show_default="the provider's name"),
    ] = None,
    scopes: Annotated[
        str | None,
        typer.Option(help="The most that may be asked for, separated by spaces.", show_default="any"),
    ] = None,
    *,
    client_secret_stdin: Annotated[
        bool,
        typer.Option("--client-secret-stdin", metavar="", help="Read the secret from stdin."),
    ] = False,
) -> None:
    """Add your client at a provider; print its redirect URI.

    The secret is asked for, or read from stdin: as an argument it would stand in
    the list of processes and in the shell's history. It is sealed at once and
    never shown again. Of several at one provider the newest is used for what is
    connected from now on; to replace one, add another with a new --name.

    Example:
      valetkey registrations add google --client-id 1234-ab…
      valetkey registrations add slack --name my-slack --client-id 12.34 \\
        --client-secret-stdin < secret.txt

    Then:
      register the printed redirect URI at the provider
    """
    _refuse_unknown(provider)  # before a secret is typed in vain
    ceiling = None if scopes is None else frozenset(scopes.replace(",", " ").split())
    secret = _secret(from_stdin=client_secret_stdin)
    new = Registration(name or provider, provider, client_id, secret, ceiling)

    async def adding(house: "House") -> str:
        async with house.ground.store.transaction() as tx:
            await house.connections.registrations.add(tx, new, operator())
        return house.connections.flows.redirect_uri(new.name)

    redirect_uri = in_house(adding)
    say(redirect_uri)
    tell("Register this redirect URI at the provider, exactly as it is.")
    if refused := refusal(provider, redirect_uri):
        tell(refused)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show your clients at providers, without their secrets.

    Example:
      valetkey registrations list

    Then:
      valetkey doctor
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        found = await house.connections.registrations.all(house.ground.store)
        return [
            {
                "name": one.name,
                "provider": one.provider,
                "client_id": one.client_id,
                "scopes": None if one.scopes is None else sorted(one.scopes),
                "redirect_uri": house.connections.flows.redirect_uri(one.name),
            }
            for one in found
        ]

    columns = {"name": text, "provider": text, "client_id": text, "redirect_uri": text, "scopes": _ceiling}
    empty = "There is none yet: `valetkey registrations add PROVIDER --client-id …` adds one."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


def refusal(provider: str, redirect_uri: str) -> str | None:
    """Why a provider will not take a redirect URI; None when nothing is known against it."""
    if provider in HTTPS_ONLY and redirect_uri.startswith("http:"):
        return f"{provider} takes https only: set `public_url` in valetkey.toml to an https address."
    return None


def _secret(*, from_stdin: bool) -> Secret:
    """Raises UsageError when there is none to read."""
    if from_stdin:
        secret = sys.stdin.readline().strip()
    elif sys.stdin.isatty():
        secret = getpass("Client secret: ", stream=sys.stderr).strip()
    else:
        raise UsageError("this is no terminal to ask for the secret on: pass --client-secret-stdin")
    if not secret:
        raise UsageError("stdin held no client secret; nothing was added")
    return Secret(secret)


def _refuse_unknown(provider: str) -> None:
    """Raises UsageError; ManifestError when the connectors cannot be read."""
    from valetkey.connections import providers
    from valetkey.manifest import Catalog, shipped

    chosen = settings()
    catalog = Catalog.load([shipped(), *chosen.manifests], allow_hooks=[shipped(), *chosen.allow_hooks])
    known = providers(catalog.connectors.values())
    if provider in known:
        return
    named = catalog.connectors.get(provider)
    if named and named.pasted:
        raise UsageError(f"`{provider}` needs no registration: its people paste a secret of their own")
    if named:
        raise UsageError(f"`{provider}` is a connector; the provider that it uses is `{named.provider}`")
    raise UsageError(f"no connector uses a provider `{provider}`; there are: {', '.join(known)}")


def _ceiling(scopes: Json) -> str:
    return "any" if scopes is None else words(scopes)
