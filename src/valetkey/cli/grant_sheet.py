"""A grant as commands show it: whose, to which agent, what it allows now, and until when."""

from typing import TYPE_CHECKING

from valetkey.cli.house import Names
from valetkey.cli.output import say, text, until, visible, words
from valetkey.model import Grant, Json

if TYPE_CHECKING:
    from valetkey.assemble import House


def row(grant: Grant, known: Names) -> dict[str, Json]:
    """Return a grant as a list shows it. `left`: how many calls it is good for, None for any number."""
    return {
        "id": grant.id,
        "principal": known.person(grant.principal),
        "actor": known.agent(grant.actor),
        "tools": sorted(grant.tools),
        "refused": sorted(grant.refused),
        "connections": sorted(grant.connections),
        "until": grant.until,
        "left": None if grant.uses is None else grant.uses - grant.used,
        "offline": grant.offline,
        "created": grant.created,
    }


async def sheet(house: "House", grant: Grant, known: Names) -> dict[str, Json]:
    """Return all there is to say of a grant: its accounts, and the tools it allows, one by one."""
    from valetkey.grants.entries import names as named

    tools = house.ground.catalog.tools
    allowed = [tool.name for tool in tools if named(grant.tools, tool) and tool.name not in grant.refused]
    mine = await house.connections.rows.of(grant.principal)
    accounts = [
        {"id": one.id, "connector": one.connector, "account": one.label, "state": one.state}
        for one in mine
        if one.id in grant.connections
    ]
    return {**row(grant, known), "accounts": accounts, "allows": allowed}


def show_sheet(shown: dict[str, Json]) -> None:
    """Show all of it to a person."""
    lines = {
        "grant": text(shown["id"]),
        "of": text(shown["principal"]),
        "to": text(shown["actor"]),
        "tools": words(shown["tools"]),
        "refused": words(shown["refused"]),
        "allows now": words(shown["allows"]),
        "until": until(shown["until"]),
        "calls left": left(shown["left"]),
        "away": away(shown["offline"]),
    }
    for name, value in lines.items():
        say(f"{name:<12}{visible(value)}")
    for account in shown["accounts"]:
        said = f"{account['connector']} {text(account['account'])} ({account['state']}, {account['id']})"
        say(f"{'account':<12}{visible(said)}")


def left(calls: Json) -> str:
    """Write how many calls a grant is still good for."""
    return "any number" if calls is None else str(calls)


def away(offline: Json) -> str:
    """Write whether it counts while its person is away."""
    return "yes" if offline else "no"
