"""`valetkey tokens`: what an agent's client shows to act for a person, and the end of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import act, has_served, in_house, names
from valetkey.cli.output import AsJson, listed, say, tell, text, when
from valetkey.errors import UsageError
from valetkey.model import DAY, MINUTE, Json

if TYPE_CHECKING:
    from valetkey.assemble import House

app = typer.Typer(
    name="tokens", help="The tokens with which agents' clients come to this server.", no_args_is_help=True
)
_LONGEST = 30 * 24 * 60
_KINDS = ("token", "client", "exchanged")
"""Minted here, of a client that somebody signed in, got in exchange by an agent."""


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
    """Show what lets agents' clients in now.

    That is the tokens minted here, the clients that people signed in, and what
    agents got in exchange. No token is shown: only what is behind it.

    Example:
      valetkey tokens list

    Then:
      valetkey tokens revoke ses_0194…
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        known = await names(house)
        live = [session for kind in _KINDS for session in await house.sessions.all(house.ground.store, kind)]
        return [
            {
                "id": session.id,
                "kind": session.kind,
                "principal": known.person(session.principal),
                "actor": known.agent(session.actor),
                "label": session.label,
                "created": session.created,
                "until": session.until,
            }
            for session in live
        ]

    who = {"id": text, "kind": text, "principal": text, "actor": text, "label": text}
    columns = {**who, "created": when, "until": when}
    empty = "Nobody's client is let in now: sign one in, or `valetkey tokens mint` prints a token."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="As `valetkey tokens list` shows it.")],
) -> None:
    """End a token or a client's session at once.

    The next request that brings it is refused. A client cannot refresh it
    either: its person has to sign it in again.

    Example:
      valetkey tokens revoke ses_0194…
    """

    async def ending(house: "House") -> None:
        async with house.ground.store.transaction() as tx:
            session = await house.sessions.end(tx, token)
            if session is None or session.kind not in _KINDS:
                raise UsageError(f"`{token}` lets nobody in; `valetkey tokens list` shows what does")
            event = act("token.revoked", session.principal, session.actor, session=session.id)
            await house.ground.audit.append(tx, event)

    in_house(ending)
    tell("It has ended: the next request that brings it is refused.")


@app.command("rotate-key")
def rotate_key() -> None:
    """Sign tokens with a new key from now on.

    Tokens that are out go on working: the old key is accepted for as long
    as any of them can last. A server that runs takes the new key up by itself.

    Example:
      valetkey tokens rotate-key
    """

    async def rotating(house: "House") -> str:
        from valetkey.people.sessions import TOKEN_AT_MOST
        from valetkey.vault import Purpose

        ground, purpose = house.ground, Purpose.TOKEN_SIGNING
        async with ground.store.transaction() as tx:
            kid = await ground.keys.rotate_server_key(
                tx, purpose, ground.ids, ground.clock, accepted_for=TOKEN_AT_MOST + DAY
            )
            await ground.audit.append(tx, act("key.rotated", purpose=purpose, kid=kid))
        return kid

    tell(f"Tokens are signed with {in_house(rotating)} from now on; those that are out go on working.")
