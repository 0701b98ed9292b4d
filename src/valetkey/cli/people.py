"""`valetkey people`: who can be acted for, and the invitation with which each chooses how to sign in."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import act, by_whom, in_house
from valetkey.cli.output import AsJson, listed, say, tell, text
from valetkey.errors import UsageError
from valetkey.model import ConnectionState, Json, Principal

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.people import Person
    from valetkey.store import Transaction

app = typer.Typer(name="people", help="The people that agents act for.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="How they sign in: a-z, 0-9, dot, dash, underscore.")
    ],
) -> None:
    """Add a person and print their invitation link.

    The link works once, for seven days; behind it they choose a password or
    passkey.
    Whoever opens it first is that person here, so hand it over in a way you
    trust. It alone goes to stdout.

    Example:
      valetkey people add ana

    Then:
      valetkey tokens mint --principal ana --actor triage
    """

    async def adding(house: "House") -> str:
        async with house.ground.store.transaction() as tx:
            return await new_person(house, tx, name)

    _hand_out(in_house(adding), name)


@app.command()
def invite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Somebody who was added before.")],
) -> None:
    """Print a new link for somebody who lost theirs, or a way to sign in.

    It ends the link before it. Whoever opens it chooses a password or passkey
    anew; those they had before are gone. Connections and grants stay.

    Example:
      valetkey people invite ana
    """

    async def inviting(house: "House") -> str:
        async with house.ground.store.transaction() as tx:
            return await _invitation(house, tx, await house.accounts.named(tx, name))

    _hand_out(in_house(inviting), name)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Somebody who was added before.")],
) -> None:
    """Take a person away, with everything that was theirs.

    Their sign-ins, tokens and grants end at once, and their accounts are
    disconnected, at the providers, too. What was recorded stays. Somebody added
    later under the same name is somebody else, and begins with nothing. The
    owner cannot be removed.

    Example:
      valetkey people remove ana
    """

    async def removing(house: "House") -> None:
        store, person = house.ground.store, await _not_owner(house, name)
        async with store.transaction() as tx:  # nobody can sign in, or act for them, from here on
            await house.accounts.lock_out(tx, person)
            await _shut_out(house, tx, person.principal)
        await _taken_back(house, person.principal)
        async with store.transaction() as tx:  # last, so that a command that was cut off can be given again
            await _shut_out(house, tx, person.principal)
            await house.accounts.remove(tx, person)
            await house.ground.audit.append(tx, act("person.removed", person.principal))

    in_house(removing)
    tell("They are gone, with what was theirs; what was recorded stays.")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show everybody, and whether they have joined.

    Example:
      valetkey people list --json

    Then:
      valetkey people invite ana      for somebody who has not
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        return [_row(person) for person in await house.accounts.all(house.ground.store)]

    columns = {"name": text, "role": text, "state": text}
    empty = "There is nobody yet: `valetkey people add NAME` adds a person."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


async def _not_owner(house: "House", name: str) -> "Person":
    person = await house.accounts.named(house.ground.store, name)
    if person.owner:
        raise UsageError(f"`{name}` is the owner of this server, who cannot be removed")
    return person


async def _shut_out(house: "House", tx: "Transaction", principal: Principal) -> None:
    """End every session that is somebody's, and what agents have asked of them."""
    for session in await house.sessions.of(tx, principal):
        await house.sessions.end(tx, session.id)
        ended = act("session.ended", principal, session.actor, session=session.id)
        await house.ground.audit.append(tx, ended)
    await house.requests.withdraw_from(tx, principal)


async def _taken_back(house: "House", principal: Principal) -> None:
    """End what somebody has allowed, and disconnect their accounts, at the providers, too."""
    for grant in await house.grants.of(principal):
        await house.grants.revoke(principal, grant.id, by="operator", facts=by_whom())
    for connection in await house.connections.rows.of(principal):
        if connection.state is not ConnectionState.REVOKED:
            told = await house.connections.revocation.revoke(connection, "operator", by_whom())
            tell(f"{connection.connector}: {told.told}")


async def new_person(house: "House", tx: "Transaction", name: str) -> str:
    """Add a person, and return the link of their invitation. Raises UsageError."""
    person = await house.accounts.add(tx, name)
    event = act("person.added", person.principal, owner=person.owner)
    await house.ground.audit.append(tx, event)
    return await _invitation(house, tx, person)


async def _invitation(house: "House", tx: "Transaction", person: "Person") -> str:
    secret = await house.accounts.invite(tx, person)
    await house.ground.audit.append(tx, act("person.invited", person.principal))
    return f"{house.ground.public_url}/join/{secret}"


def _hand_out(link: str, name: str) -> None:
    say(link)
    tell(f"This link is for {name}: it works once, for seven days, while `valetkey serve` runs.")


def _row(person: "Person") -> dict[str, Json]:
    return {
        "name": person.name,
        "role": "owner" if person.owner else "person",
        "state": "joined" if person.joined else "invited",
        "subject": person.subject,
    }
