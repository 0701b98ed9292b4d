"""People who have moved in: each with a connection to `bench`, a grant, and an agent that has a token."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.connector import ORIGIN, PROVIDER, write
from valetkey.assemble import House
from valetkey.connections.tokensets import TokenSets
from valetkey.grants import Given
from valetkey.model import (
    DAY,
    SECOND,
    Actor,
    Caller,
    Connection,
    ConnectionState,
    Principal,
    Registration,
    Secret,
    TokenSet,
)
from valetkey.people import Agent
from valetkey.sandbox import PEOPLE, STRICT_CLIENT, Provider
from valetkey.settings import FILE
from valetkey.store import Transaction

_LIMITS = "calls_per_minute = 100000000\nburst = 100000000\nprovider_calls_per_minute = 100000000"
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody with a connection, and the agent that calls for them with a token."""

    caller: Caller
    connection: str
    token: str


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens as a provider issued them; `lasts` in milliseconds."""

    access: str
    refresh: str
    lasts: int


def made_up() -> Iterator[Issued]:
    """Tokens of no provider, which are never renewed."""
    while True:
        yield Issued("a" * 200, "r" * 200, DAY)


def issued_by(provider: Provider) -> Iterator[Issued]:
    """Tokens in the books of the sandbox's strict provider, each of a consent of its own."""
    client, account = STRICT_CLIENT.id, PEOPLE[0].email
    while True:
        code = provider.ledger.consent(client, account, frozenset({"items"}), "", None, offline=True)
        made = provider.ledger.redeem(client, code, "", None)
        yield Issued(made.access, made.refresh or "", (made.lifetime or 0) * SECOND)


def settings_text(upstream: str, provider: str | None, more: str = "", manifests: Sequence[str] = ()) -> str:
    """What stands in the settings of a house whose API is `upstream`; `provider` is where the sandbox is.

    `manifests` are more folders of them, and `more` are more lines.
    """
    hosts = {ORIGIN: upstream, **({PROVIDER: provider} if provider else {})}
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts.items())
    return (
        f"manifests = {json.dumps(['manifests', *manifests])}\n{more}\n[limits]\n{_LIMITS}\n[hosts]\n{table}"
    )


def furnish(home: Path, tools: int, text: str) -> None:
    """Write the settings and the manifest of a house that is not there yet."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(home / "manifests", tools)
    (home / FILE).write_text(text)
    (home / FILE).chmod(0o600)


async def moved_in(house: House, names: Iterable[str], tokens: Iterator[Issued]) -> list[Resident]:
    """Let people move in, who grant one agent everything."""
    found, waiting = list[Resident](), list(names)
    async with house.ground.store.transaction() as tx:
        agent = await house.agents.named(tx, "bench")
        new = Registration("my-bench", "bench", STRICT_CLIENT.id, Secret(STRICT_CLIENT.secret))
        await house.connections.registrations.add(tx, new, Principal("local-operator", "bench"))
    while waiting:
        now, waiting = waiting[:_AT_A_TIME], waiting[_AT_A_TIME:]
        async with house.ground.store.transaction() as tx:
            found += [await _moved_in(house, tx, name, agent, next(tokens)) for name in now]
    return found


async def _moved_in(house: House, tx: Transaction, name: str, agent: Agent, issued: Issued) -> Resident:
    principal = (await house.accounts.add(tx, name)).principal
    connection = await _connected(house, tx, principal, issued)
    session = await house.sessions.start_token(tx, principal, agent.id, DAY)
    given = Given(frozenset({"bench.*"}), frozenset(), DAY)
    await house.grants.give(tx, principal, agent.id, [connection.id], given)
    caller = Caller(principal, Actor(agent.id), session.id)
    return Resident(caller, connection.id, house.tokens.mint(session))


async def _connected(house: House, tx: Transaction, principal: Principal, issued: Issued) -> Connection:
    connector, rows = house.ground.catalog.connectors["bench"], house.connections.rows
    sets, new = TokenSets(house.ground.vault, house.ground.randomness), _confirming(house, principal)
    receipt = await sets.put(tx, new.token_set, principal, _tokens(house, issued), connector)
    await rows.insert(tx, new)
    await rows.to(tx, new, ConnectionState.CONNECTED, by="person", facts=receipt.facts())
    return replace(new, state=ConnectionState.CONNECTED)


def _confirming(house: House, principal: Principal) -> Connection:
    ids = house.ground.ids
    return Connection(
        id=ids.new("con"),
        principal=principal,
        connector="bench",
        registration="my-bench",
        state=ConnectionState.CONFIRMING,
        token_set=ids.new("tok"),
        scopes=frozenset({"items"}),
    )


def _tokens(house: House, issued: Issued) -> TokenSet:
    now = house.ground.clock.now()
    origins = house.ground.catalog.connectors["bench"].origins
    return TokenSet(
        access=Secret(issued.access),
        refresh=Secret(issued.refresh),
        issued_at=now,
        expires_at=now + issued.lasts,
        scopes=frozenset({"items"}),
        origins=origins,
        registration="my-bench",
        connectors=frozenset({"bench"}),
        overridden=house.ground.egress.overridden(origins),
    )
