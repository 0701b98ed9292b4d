"""`valetkey tokens`: what an agent's client shows to act for a person, and the end of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import act, has_served, in_house, names
from valetkey.cli.output import AsJson, listed, say, tell, text, when
from valetkey.errors import UsageError
from valetkey.model import MINUTE, Json

if TYPE_CHECKING:
    from valetkey.assemble import House

app = typer.Typer(
    name="tokens", help="The tokens with which agents' clients come to this server.", no_args_is_help=True
)
_LONGEST = 30 * 24 * 60


@app.command()
def mint(
    principal: Annotated[str, typer.Option(help="The person to act for.", show_default=False)],
    actor: Annotated[str, typer.Option(help="The agent's name; a new one is made.", show_default=False)],
    minutes: Annotated[int, typer.Option(min=1, max=_LONGEST, help="How long it lasts.")] = 60,
) -> None:
    """Print a token for an agent that acts for a person, and nothing else.

    It is a secret: put it straight into the client's configuration. It lets the
    agent ask; what it may do, the person decides on the page behind a link.

    Example:
      token=$(valetkey tokens mint --principal ana --actor claude --minutes 1440)
      claude mcp add --transport http valetkey http://localhost:8917/mcp \\
        --header "Authorization: Bearer $token"

    Then:
      valetkey tokens list
    """

    async def minting(house: "House") -> str:
        if not await has_served(house):
            tell(f"No server has run on this home yet. This token is for {house.ground.public_url} alone.")
        async with house.ground.store.transaction() as tx:
            person = await house.accounts.named(tx, principal)
            agent = await house.agents.named(tx, actor)
            session = await house.sessions.start_token(tx, person.principal, agent.id, minutes * MINUTE)
            event = act("token.minted", person.principal, agent.id, session=session.id, until=session.until)
            await house.ground.audit.append(tx, event)
        return house.tokens.mint(session)

    say(in_house(minting))


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show the tokens that work now.

    A token itself is shown once, when it is minted.

    Example:
      valetkey tokens list

    Then:
      valetkey tokens revoke ses_0194…
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        known = await names(house)
        live = await house.sessions.all(house.ground.store, "token")
        return [
            {
                "id": session.id,
                "principal": known.person(session.principal),
                "actor": known.agent(session.actor),
                "created": session.created,
                "until": session.until,
            }
            for session in live
        ]

    columns = {"id": text, "principal": text, "actor": text, "created": when, "until": when}
    empty = "No token works now: `valetkey tokens mint --principal NAME --actor NAME` prints one."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="As `valetkey tokens list` shows it.")],
) -> None:
    """End a token at once.

    The next request that brings it is refused.

    Example:
      valetkey tokens revoke ses_0194…
    """

    async def ending(house: "House") -> None:
        async with house.ground.store.transaction() as tx:
            session = await house.sessions.end(tx, token)
            if session is None or session.kind != "token":
                raise UsageError(f"no token `{token}` works; `valetkey tokens list` shows those that do")
            event = act("token.revoked", session.principal, session.actor, session=session.id)
            await house.ground.audit.append(tx, event)

    in_house(ending)
    tell("It has ended: the next request that brings it is refused.")
