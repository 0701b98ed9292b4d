"""`valetkey registrations`: the operator's own clients at providers. A secret never is an argument."""

import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import by_whom, in_house, operator, settings
from valetkey.cli.output import AsJson, few, listed, say, tell, text
from valetkey.errors import UsageError
from valetkey.model import Json, Registration, Secret

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.manifest import Catalog

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
    connected from now on; to replace one, add another with a new --name, or
    remove it first.

    Example:
      valetkey registrations add google --client-id 1234-ab…
      valetkey registrations add slack --name my-slack --client-id 12.34 \\
        --client-secret-stdin < secret.txt

    Then:
      register the printed redirect URI at the provider
    """
    ceiling = None if scopes is None else frozenset(scopes.replace(",", " ").split())
    _refuse_unknown(provider, ceiling or frozenset())  # before a secret is typed in vain
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


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `valetkey registrations list` shows it.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="End the connections that use it, too.")
    ] = False,
) -> None:
    """Remove a client at a provider from here, with its secret.

    It is refused while connections use it. With --force those end at once, are
    given back at the provider, and their people have to connect again. The
    client itself stays at the provider until you remove it there. The name, and
    with it the redirect URI, can then be used again.

    Example:
      valetkey registrations remove my-gmail

    Then:
      valetkey registrations add google --name my-gmail --client-id …
    """

    async def removing(house: "House") -> list[str]:
        registrations, store = house.connections.registrations, house.ground.store
        await registrations.get(store, name)
        using = await house.connections.rows.using(store, name)
        if using and not force:
            raise UsageError(_in_use(name, len(using)))
        ended = [
            await house.connections.revocation.revoke(one, "operator", {**by_whom(), "registration": name})
            for one in using
        ]
        async with store.transaction() as tx:
            await registrations.remove(tx, name, operator())
        return [one.told for one in ended if one.at_provider is not AtProvider.REVOKED]

    from valetkey.connections import AtProvider

    for told in in_house(removing):
        tell(told)
    tell(f"`{name}` is removed here. Remove the client at the provider as well.")


def _in_use(name: str, count: int) -> str:
    what = "1 connection uses" if count == 1 else f"{count} connections use"
    return f"{what} `{name}`. Pass --force to end what uses it: its people then have to connect again"


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


def _refuse_unknown(provider: str, scopes: frozenset[str]) -> None:
    """Raises UsageError; ManifestError when the connectors cannot be read."""
    from valetkey.connections import providers
    from valetkey.manifest import Catalog, shipped

    chosen = settings()
    catalog = Catalog.load([shipped(), *chosen.manifests], allow_hooks=[shipped(), *chosen.allow_hooks])
    known = providers(catalog.connectors.values())
    if provider in known:
        _refuse_unknown_scopes(provider, scopes, catalog)
        return
    named = catalog.connectors.get(provider)
    if named and named.pasted:
        raise UsageError(f"`{provider}` needs no registration: its people paste a secret of their own")
    if named:
        raise UsageError(f"`{provider}` is a connector; the provider that it uses is `{named.provider}`")
    raise UsageError(f"no connector uses a provider `{provider}`; there are: {', '.join(known)}")


def _refuse_unknown_scopes(provider: str, scopes: frozenset[str], catalog: "Catalog") -> None:
    """A ceiling with a mistyped scope would keep people from what was meant to be allowed."""
    from valetkey.manifest.flaws import nearest

    theirs = [one for one in catalog.connectors.values() if one.provider == provider]
    known = frozenset[str]().union(*(one.scopes for one in theirs))
    for scope in sorted(scopes - known):
        close = nearest(scope, known)
        hint = f"did you mean `{close}`?" if close else f"there are: {', '.join(sorted(known))}"
        raise UsageError(f"no connector of {provider} asks for the scope `{scope}`; {hint}")


def _ceiling(scopes: Json) -> str:
    return "any" if scopes is None else few(scopes)
