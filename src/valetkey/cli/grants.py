"""`valetkey grants`: what people have allowed which agents. They are given on people's pages, never here.

The operator can take away; to add takes the person, who types their password.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.grant_sheet import away as away_word
from valetkey.cli.grant_sheet import left, row, sheet, show_sheet
from valetkey.cli.house import by_whom, in_house, names
from valetkey.cli.output import AsJson, dump, lasting, listed, tell, text, until, words
from valetkey.errors import UsageError
from valetkey.model import Grant, Json

if TYPE_CHECKING:
    from valetkey.assemble import House

app = typer.Typer(name="grants", help="What people have allowed agents to do.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="ID", help="As `valetkey grants list` shows it.")]
Lasts = Annotated[
    str | None, typer.Option(help="From now on: 90m, 8h, 30d.", show_default="as it is", metavar="SPAN")
]
Uses = Annotated[
    int | None, typer.Option(min=1, help="How many calls, from now on.", show_default="as it is")
]


@app.command("list")
def list_(
    principal: Annotated[str | None, typer.Option(help="Only this person's.", show_default=False)] = None,
    actor: Annotated[str | None, typer.Option(help="Only this agent's.", show_default=False)] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which agent may use which tools for whom, and until when.

    Example:
      valetkey grants list --principal ana

    Then:
      valetkey grants show grt_0194…
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        known, found = await names(house), await _live(house, principal)
        agent = (await house.agents.find(house.ground.store, actor)).id if actor else None
        return [row(grant, known) for grant in found if agent in {None, grant.actor}]

    columns = {
        "id": text,
        "principal": text,
        "actor": text,
        "tools": words,
        "refused": words,
        "until": until,
        "left": left,
        "offline": away_word,
    }
    empty = "No grant is live. People give them on the page behind the link that an agent's call brings."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def show(grant: Which, *, as_json: AsJson = False) -> None:
    """Show a grant: its accounts, and each tool that it allows.

    Example:
      valetkey grants show grt_0194…

    Then:
      valetkey grants narrow grt_0194… --without gmail.send_message
    """

    async def reading(house: "House") -> dict[str, Json]:
        return await sheet(house, await _found(house, grant), await names(house))

    shown = in_house(reading)
    if as_json:
        dump(shown)
    else:
        show_sheet(shown)


@app.command()
def narrow(
    grant: Which,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL", help="A tool it may no longer use; again for each.", show_default=False),
    ] = None,
    lasts: Lasts = None,
    uses: Uses = None,
    *,
    present: Annotated[
        bool, typer.Option("--present", metavar="", help="No longer while its person is away.")
    ] = False,
) -> None:
    """Take something away from a grant. It can never allow more by this.

    A tool that is taken away is no longer listed to the agent.

    Example:
      valetkey grants narrow grt_0194… --without gmail.send_message --lasts 1h

    Then:
      valetkey grants show grt_0194…
    """
    span = None if lasts is None else lasting(lasts)

    async def narrowing(house: "House") -> None:
        from valetkey.grants import Less

        found = await _found(house, grant)
        tools = _entries(house, found, without or [])
        less = Less(tools, span, uses, present)
        await house.grants.narrow(found.principal, grant, less, by="operator", facts=by_whom())

    in_house(narrowing)
    tell("It allows less from the agent's next call on.")


@app.command()
def extend(
    grant: Which,
    tool: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL", help="A tool to allow as well; again for each.", show_default=False),
    ] = None,
    lasts: Annotated[
        str | None,
        typer.Option(
            help="From now on: 90m, 8h, 30d, or `until-revoked`.", show_default="as it is", metavar="SPAN"
        ),
    ] = None,
    uses: Uses = None,
    *,
    away: Annotated[bool, typer.Option("--away", metavar="", help="Also while its person is away.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", metavar="", help="Read the person's password from stdin.")
    ] = False,
) -> None:
    """Add to a grant. It asks for the password of the person whose it is.

    Only they can allow more; on their own page they do the same.

    Example:
      valetkey grants extend grt_0194… --lasts 30d

    Then:
      valetkey grants show grt_0194…
    """
    span = None if lasts in {None, "until-revoked"} else lasting(str(lasts))

    async def extending(house: "House") -> None:
        from valetkey.cli.proving import prove
        from valetkey.grants import KEEP, More

        found = await _found(house, grant)
        tools = frozenset(house.ground.catalog.tool(name).name for name in tool or [])
        more = More(tools, KEEP if lasts is None else span, KEEP if uses is None else uses, away)
        page = f"{house.ground.public_url}/mine/grants/{grant}"
        await prove(house, found.principal, page, from_stdin=password_stdin)
        await house.grants.extend(found.principal, grant, more, facts=by_whom())

    in_house(extending)
    tell("It allows more from now on.")


@app.command()
def revoke(grant: Which) -> None:
    """End a grant at once.

    The agent's next call is refused, and brings a new link for the person.

    Example:
      valetkey grants revoke grt_0194…
    """

    async def ending(house: "House") -> None:
        found = await _found(house, grant)
        await house.grants.revoke(found.principal, grant, by="operator", facts=by_whom())

    in_house(ending)
    tell("It has ended: the agent's next call is refused.")


async def _found(house: "House", grant_id: str) -> Grant:
    """Raises UsageError."""
    found = await house.grants.get(grant_id)
    if found is None:
        raise UsageError(f"no grant `{grant_id}` is live; `valetkey grants list` shows those that are")
    return found


def _entries(house: "House", grant: Grant, wanted: list[str]) -> frozenset[str]:
    """Entries of the grant itself, or tools. Raises CallError for what is neither."""
    return frozenset(name if name in grant.tools else house.ground.catalog.tool(name).name for name in wanted)


async def _live(house: "House", name: str | None) -> list[Grant]:
    accounts, store = house.accounts, house.ground.store
    people = await accounts.all(store) if name is None else [await accounts.named(store, name)]
    return [grant for person in people for grant in await house.grants.of(person.principal)]
