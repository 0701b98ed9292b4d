"""`valetkey connections`: people's links to their accounts. They alone make one; the operator can end it."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import act, by_whom, in_house, names
from valetkey.cli.output import AsJson, listed, say, tell, text, words
from valetkey.errors import NeedsPerson, UsageError
from valetkey.model import Actor, Caller, Connection, Effect, Json

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.manifest import Catalog, Connector, Tool

app = typer.Typer(
    name="connections", help="People's links to their accounts at providers.", no_args_is_help=True
)


@app.command("list")
def list_(
    principal: Annotated[str | None, typer.Option(help="Only this person's.", show_default=False)] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show who is connected to which account, and whether it works.

    Example:
      valetkey connections list --principal ana

    Then:
      valetkey connections revoke con_0194…
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        known = await names(house)
        found = await _all(house, principal)
        return [_row(one) | {"principal": known.person(one.principal)} for one in found]

    columns = {
        "id": text,
        "principal": text,
        "connector": text,
        "account": text,
        "state": text,
        "reason": text,
        "scopes": words,
    }
    empty = "There is none. One is made when an agent's call needs it, or from `valetkey connections link`."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def link(
    connector: Annotated[
        str, typer.Argument(metavar="CONNECTOR", help="As `valetkey connectors list` shows it.")
    ],
    principal: Annotated[str, typer.Option(help="The person who is to connect.", show_default=False)],
    actor: Annotated[str, typer.Option(help="The agent it is for.", show_default=False)],
    tool: Annotated[
        str | None, typer.Option(help="The tool to ask for first.", show_default="one that reads")
    ] = None,
    *,
    another: Annotated[
        bool, typer.Option("--another", help="Connect one more account beside those there are.")
    ] = False,
) -> None:
    """Print the link behind which a person connects an account.

    It is what the agent's own call would bring, ahead of time. It is good for
    ten minutes and for that person alone, signed in as themselves. It alone
    goes to stdout.

    Example:
      valetkey connections link gmail --principal ana --actor triage

    Then:
      valetkey connections list --principal ana
    """

    async def asking(house: "House") -> str:
        wanted = _tool(house.ground.catalog, connector, tool)
        async with house.ground.store.transaction() as tx:
            person = await house.accounts.named(tx, principal)
            agent = await house.agents.named(tx, actor)
        caller = Caller(person.principal, Actor(agent.id), session="")
        return await _missing(house, caller, wanted, another=another)

    say(in_house(asking))
    tell(f"This link is for {principal} alone, for ten minutes, while `valetkey serve` runs.")


@app.command()
def revoke(
    connection: Annotated[str, typer.Argument(metavar="ID", help="As `valetkey connections list` shows it.")],
) -> None:
    """End a connection at once, and give its tokens back.

    What the provider answered to that goes to stdout.

    Example:
      valetkey connections revoke con_0194…

    Then:
      valetkey audit list --limit 5
    """

    async def ending(house: "House") -> str:
        found = await house.connections.rows.get(house.ground.store, connection)
        if found is None:
            raise UsageError(f"there is no connection `{connection}`; `valetkey connections list` shows them")
        return (await house.connections.revocation.revoke(found, "operator", by_whom())).told

    say(in_house(ending))


async def _all(house: "House", name: str | None) -> list[Connection]:
    accounts, store = house.accounts, house.ground.store
    people = await accounts.all(store) if name is None else [await accounts.named(store, name)]
    return [one for person in people for one in await house.connections.rows.of(person.principal)]


def _row(connection: Connection) -> dict[str, Json]:
    return {
        "id": connection.id,
        "connector": connection.connector,
        "account": connection.label,
        "state": connection.state,
        "reason": connection.reason,
        "scopes": sorted(connection.scopes),
        "registration": connection.registration,
    }


def _tool(catalog: "Catalog", connector: str, name: str | None) -> "Tool":
    """The tool that was named, or the connector's first that only reads. Raises UsageError, CallError."""
    found = the_connector(catalog, connector)
    if name is None:
        return min(found.tools.values(), key=lambda tool: tool.effect is not Effect.READ)
    tool = catalog.tool(name if "." in name else f"{connector}.{name}")
    if tool.connector is not found:
        raise UsageError(f"`{tool.name}` is not a tool of {connector}")
    return tool


def the_connector(catalog: "Catalog", name: str) -> "Connector":
    """Raises UsageError, naming those there are."""
    found = catalog.connectors.get(name)
    if found is None:
        raise UsageError(
            f"there is no connector `{name}`; there are: {', '.join(sorted(catalog.connectors))}"
        )
    return found


async def _missing(house: "House", caller: Caller, tool: "Tool", *, another: bool) -> str:
    """The link for what a call would lack. Raises UsageError when it lacks nothing, CallError."""
    from valetkey.needs import Needs

    needs = Needs(house.connections, house.grants, house.requests)
    try:
        if another:
            raise await needs.another(caller, [tool])
        await needs.met(caller, tool, {})
    except NeedsPerson as need:
        event = act("request.linked", caller.principal, caller.actor.client, request=need.request)
        await house.ground.audit.note(event)
        return need.link
    raise UsageError(f"nothing is missing: this agent may use {tool.name} for this person already")
