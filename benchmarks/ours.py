"""Our side: a whole house with one person, one agent, one connection and one grant, serving."""

from pathlib import Path

from benchmarks.connector import ORIGIN, write
from valetkey.assemble import House, opened
from valetkey.connections.tokensets import TokenSets
from valetkey.grants import Given
from valetkey.model import DAY, Connection, ConnectionState, Principal, Registration, Secret, TokenSet
from valetkey.serving import listen, serve
from valetkey.settings import FILE, parse

TOKEN_FILE = "token"  # noqa: S105 - where the token is put for the load, not a token


async def main(port: int, upstream: str, count: int, home: Path) -> None:
    """Serve until the process is ended; the agent's token is left in `home` when all is ready."""
    write(home / "manifests", count)
    limits = "calls_per_minute = 100000000\nburst = 100000000\nprovider_calls_per_minute = 100000000"
    text = f'manifests = ["manifests"]\n[limits]\n{limits}\n[hosts]\n"{ORIGIN}" = "{upstream}"\n'
    settings = parse(text, home / FILE)
    url = f"http://localhost:{port}"
    async with opened(settings, public_url=url) as house:
        token = await _token(house)
        await serve(house, [listen("127.0.0.1", port)], lambda: say(home / TOKEN_FILE, token))


def say(file: Path, token: str) -> None:
    """Leave the token where the load looks for it."""
    file.write_text(token)


async def _token(house: House) -> str:
    """Let a person move in, connect and grant everything; return the token of their agent."""
    async with house.ground.store.transaction() as tx:
        person = await house.accounts.add(tx, "ana")
        agent = await house.agents.named(tx, "bench")
        connection = _connected(house, person.principal)
        session = await house.sessions.start_token(tx, person.principal, agent.id, DAY)
        sets = TokenSets(house.ground.vault, house.ground.randomness)
        connector, tokens = house.ground.catalog.connectors["bench"], _tokens(house)
        receipt = await sets.put(tx, connection.token_set, connection.principal, tokens, connector)
        new = Registration("my-bench", "bench", "client", None)
        await house.connections.registrations.add(tx, new, person.principal)
        await house.connections.rows.insert(tx, connection)
        state, facts = ConnectionState.CONNECTED, receipt.facts()
        await house.connections.rows.to(tx, connection, state, by="person", facts=facts)
        given = Given(frozenset({"bench.*"}), frozenset(), DAY)
        await house.grants.give(tx, person.principal, agent.id, [connection.id], given)
    return house.tokens.mint(session)


def _connected(house: House, principal: Principal) -> Connection:
    ids = house.ground.ids
    return Connection(
        id=ids.new("con"),
        principal=principal,
        connector="bench",
        registration="my-bench",
        state=ConnectionState.CONFIRMING,
        token_set=ids.new("tok"),
        scopes=frozenset({"read"}),
    )


def _tokens(house: House) -> TokenSet:
    now = house.ground.clock.now()
    origins = house.ground.catalog.connectors["bench"].origins
    return TokenSet(
        access=Secret("a" * 200),
        refresh=Secret("r" * 200),
        issued_at=now,
        expires_at=now + DAY,
        scopes=frozenset({"read"}),
        origins=origins,
        registration="my-bench",
        connectors=frozenset({"bench"}),
        overridden=house.ground.egress.overridden(origins),
    )
