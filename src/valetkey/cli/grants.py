"""`valetkey grants`: what people have allowed which agents. They are given on people's pages, never here."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import by_whom, in_house, names
from valetkey.cli.output import AsJson, listed, tell, text, until, words
from valetkey.errors import UsageError
from valetkey.model import Grant, Json

if TYPE_CHECKING:
    from valetkey.assemble import House

app = typer.Typer(name="grants", help="What people have allowed agents to do.", no_args_is_help=True)


@app.command("list")
def list_(
    principal: Annotated[str | None, typer.Option(help="Only this person's.", show_default=False)] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which agent may use which tools for whom, and until when.

    Example:
      valetkey grants list --principal ana

    Then:
      valetkey grants revoke grt_0194…
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        known = await names(house)
        return [
            {
                "id": grant.id,
                "principal": known.person(grant.principal),
                "actor": known.agent(grant.actor),
                "tools": sorted(grant.tools),
                "refused": sorted(grant.refused),
                "connections": sorted(grant.connections),
                "until": grant.until,
            }
            for grant in await _live(house, principal)
        ]

    columns = {"id": text, "principal": text, "actor": text, "tools": words, "refused": words, "until": until}
    empty = "No grant is live. People give them on the page behind the link that an agent's call brings."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def revoke(
    grant: Annotated[str, typer.Argument(metavar="ID", help="As `valetkey grants list` shows it.")],
) -> None:
    """End a grant at once.

    The agent's next call is refused, and brings a new link for the person.

    Example:
      valetkey grants revoke grt_0194…
    """

    async def ending(house: "House") -> None:
        found = next((one for one in await _live(house, None) if one.id == grant), None)
        if found is None:
            raise UsageError(f"no grant `{grant}` is live; `valetkey grants list` shows those that are")
        await house.grants.revoke(found.principal, grant, by="operator", facts=by_whom())

    in_house(ending)
    tell("It has ended: the agent's next call is refused.")


async def _live(house: "House", name: str | None) -> list[Grant]:
    accounts, store = house.accounts, house.ground.store
    people = await accounts.all(store) if name is None else [await accounts.named(store, name)]
    return [grant for person in people for grant in await house.grants.of(person.principal)]
