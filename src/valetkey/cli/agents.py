"""`valetkey agents`: the agents that act, what they authenticate with, and the switch that stops one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.agent_sheet import credentials, given, row, running, show_sheet
from valetkey.cli.house import act, by_whom, in_house, names
from valetkey.cli.output import AsJson, dump, listed, say, tell, text, when
from valetkey.errors import UsageError
from valetkey.model import AuditEvent, Json

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.people import Agent
    from valetkey.store import Transaction

app = typer.Typer(name="agents", help="The agents that act for people.", no_args_is_help=True)
Which = Annotated[
    str, typer.Argument(metavar="NAME|ID", help="As `valetkey agents list` shows it.", show_default=False)
]
PublicKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Authenticate with this public key (PEM, JWK or JWK set).", show_default=False
    ),
]


@app.command()
def add(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="a-z, 0-9, dot, dash, underscore: what people read.", show_default=False
        ),
    ],
    public_key: PublicKey = None,
) -> None:
    """Register an agent that authenticates as itself.

    Without a public key it gets a secret, which alone goes to stdout, once: it
    is kept here as a digest. By itself the agent can act for nobody; people
    allow it what it may do.

    Example:
      valetkey agents add triage > triage.secret
      valetkey agents add triage --public-key triage.pem

    Then:
      valetkey agents show triage     for its id, which is its client_id
    """
    keys = _keys(public_key)

    async def adding(house: "House") -> "tuple[Agent, str | None]":
        async with house.ground.store.transaction() as tx:
            if any(one.name == name and one.kind == "named" for one in await house.agents.all(tx)):
                raise UsageError(
                    f"there is an agent named `{name}` already; `valetkey agents rotate {name}` gives it "
                    "something new to authenticate with"
                )
            agent = await house.agents.named(tx, name)
            secret = await _given(house, tx, agent, keys)
            await house.ground.audit.append(tx, _event("agent.added", agent, keys=bool(keys)))
        return agent, secret

    _hand_out(*in_house(adding))


@app.command()
def rotate(agent: Which, public_key: PublicKey = None) -> None:
    """Give an agent a new secret, or another public key.

    What it authenticated with before is refused at once; tokens that it has
    go on until they end.

    Example:
      valetkey agents rotate triage > triage.secret
    """
    keys = _keys(public_key)

    async def rotating(house: "House") -> "tuple[Agent, str | None]":
        async with house.ground.store.transaction() as tx:
            found = await house.agents.find(tx, agent)
            if found.kind != "named":
                raise UsageError(f"`{found.name}` registered itself: what it authenticates with is its own")
            secret = await _given(house, tx, found, keys)
            await house.ground.audit.append(tx, _event("agent.rotated", found, keys=bool(keys)))
        return found, secret

    _hand_out(*in_house(rotating))


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show all agents, those that registered themselves too.

    A kind is where an agent is known from: named by the operator, registered
    by itself (dynamic), described by a document, or of another issuer (foreign).

    Example:
      valetkey agents list

    Then:
      valetkey agents show triage
    """

    async def reading(house: "House") -> list[dict[str, Json]]:
        return [row(agent) for agent in await house.agents.all(house.ground.store)]

    columns = {"name": text, "kind": text, "state": text, "used": when, "id": text}
    empty = "There is no agent yet: `valetkey agents add NAME` registers one."
    listed(in_house(reading), columns, as_json=as_json, empty=empty)


@app.command()
def show(agent: Which, *, as_json: AsJson = False) -> None:
    """Show an agent: keys, what it was allowed, its sessions.

    Example:
      valetkey agents show triage

    Then:
      valetkey grants revoke grt_0194…
    """

    async def reading(house: "House") -> dict[str, Json]:
        found, known = await house.agents.find(house.ground.store, agent), await names(house)
        grants = await house.grants.of_actor(found.id)
        sessions = await house.sessions.of_actor(house.ground.store, found.id)
        return {
            **row(found),
            **credentials(found),
            "grants": [given(grant, known) for grant in grants],
            "sessions": [running(session, known) for session in sessions],
        }

    shown = in_house(reading)
    if as_json:
        dump(shown)
    else:
        show_sheet(shown)


@app.command()
def suspend(agent: Which) -> None:
    """Stop an agent at once, whatever tokens it has.

    Its next call is refused, in every process of this home. What people have
    allowed it stays, for when it is resumed.

    Example:
      valetkey agents suspend triage

    Then:
      valetkey agents resume triage
    """

    async def stopping(house: "House") -> None:
        async with house.ground.store.transaction() as tx:
            found = await house.agents.find(tx, agent)
            if found.suspended is not None:
                raise UsageError(f"`{found.name}` is suspended already")
            await house.agents.suspend(tx, found)
            await house.ground.audit.append(tx, _event("agent.suspended", found))

    in_house(stopping)
    tell("It is suspended: its next call is refused.")


@app.command()
def resume(agent: Which) -> None:
    """Let a suspended agent go on with what people have allowed it.

    Its grants were kept meanwhile, and count again from its next call on.

    Example:
      valetkey agents resume triage
    """

    async def going_on(house: "House") -> None:
        async with house.ground.store.transaction() as tx:
            found = await house.agents.find(tx, agent)
            if found.suspended is None:
                raise UsageError(f"`{found.name}` is not suspended")
            await house.agents.resume(tx, found)
            await house.ground.audit.append(tx, _event("agent.resumed", found))

    in_house(going_on)
    tell("It may act again.")


@app.command()
def remove(agent: Which) -> None:
    """Take an agent away, with all it was allowed and every token it has.

    People's connections stay: they are theirs. An agent that registers itself
    can come back, and then begins with nothing; `suspend` keeps it out.

    Example:
      valetkey agents remove triage
    """

    async def removing(house: "House") -> None:
        store, audit = house.ground.store, house.ground.audit
        async with store.transaction() as tx:  # it can do nothing, and be given nothing, from here
            found = await house.agents.find(tx, agent)
            await house.agents.suspend(tx, found)
            await house.requests.withdraw(tx, found.id)
            for session in await house.sessions.of_actor(tx, found.id):
                await house.sessions.end(tx, session.id)
        for grant in await house.grants.of_actor(found.id):
            await house.grants.revoke(grant.principal, grant.id, by="operator", facts=by_whom())
        async with store.transaction() as tx:
            await house.agents.forget(tx, found)
            await audit.append(tx, _event("agent.removed", found))

    in_house(removing)
    tell("It is gone, with what it was allowed. People's connections stay.")


def _keys(file: Path | None) -> Json:
    """Read the keys of a file; None without one. Raises UsageError."""
    from valetkey.people.client_keys import jwks_of

    if file is None:
        return None
    try:
        return jwks_of(file.read_text())
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"`{file}` cannot be read as text") from None


async def _given(house: "House", tx: "Transaction", agent: "Agent", keys: Json) -> str | None:
    """Let an agent authenticate with keys, or else with a new secret, which is returned."""
    if keys is None:
        return await house.agents.give_secret(tx, agent)
    await house.agents.give_keys(tx, agent, keys)
    return None


def _hand_out(agent: "Agent", secret: str | None) -> None:
    """The secret alone to stdout, or the id where there is none."""
    if secret is None:
        say(agent.id)
        tell(f"This is the client_id of `{agent.name}`; its client assertions are signed with its key.")
    else:
        say(secret)
        tell(f"This is the secret of `{agent.name}`, shown this once. Its client_id is {agent.id}.")


def _event(kind: str, agent: "Agent", **facts: Json) -> AuditEvent:
    return act(kind, None, agent.id, name=agent.name, agent_kind=agent.kind, **facts)
