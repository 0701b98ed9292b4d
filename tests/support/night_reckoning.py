"""What came of weeks of nights: what the agent was told, our audit and the providers' own books, compared.

Each comparison gives sentences about what does not agree; where all is true there are none.
"""

import base64
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from tests.support.night import Night
from tests.support.night_people import PROVIDERS
from valetkey.assemble import head_file
from valetkey.audit.verify import verify
from valetkey.model import Connection, ConnectionState
from valetkey.sandbox import Provider

WHOAMI = 1
"""Requests that a connection costs once: whose account it is."""


async def wrong(night: Night, ended: Collection[str]) -> list[str]:
    """What does not agree, where the connections of those who have `ended` are gone and nobody else's."""
    return [
        *_written(night),
        *_calls(night),
        *_spent(night, ended),
        *await _saved(night),
        *await _states(night, ended),
        *await _audit(night),
        *_in_plain(night),
    ]


def providers(night: Night) -> dict[str, Provider]:
    """The providers' books, by connector."""
    return {connector: night.here.sandbox.providers[name] for connector, name in PROVIDERS.items()}


def rotated(night: Night) -> int:
    """How many times a provider has given new tokens for a refresh token."""
    return sum(grant.refreshes for provider in providers(night).values() for grant in provider.grants())


def _written(night: Night) -> Iterator[str]:
    """What the agent was told is written is there once, in its person's account; and nothing else is."""
    accounts = {name: person.account for name, person in night.people.items()}
    told = Counter((accounts[text.partition(",")[0]], text) for text in night.agent.written)
    posted = (one for provider in providers(night).values() for one in provider.counters.posted)
    there = Counter((one.get("from") or one["owner"], one["text"].strip()) for one in posted)
    for one in told.keys() | there.keys():
        if not told[one] == there[one] == 1:
            yield f"{one}: the agent was told of {told[one]}, {there[one]} are there"


def _calls(night: Night) -> Iterator[str]:
    """Each call reached its provider once, with the token of its own person's account."""
    expected = Counter[tuple[str, str]]()
    for person in night.people.values():
        expected.update({(one.connector, person.account): WHOAMI for one in person.connections})
    for (name, tool), count in night.agent.calls.items():
        expected[tool.partition(".")[0], night.people[name].account] += count
    seen = Counter(
        {
            (connector, account): count
            for connector, provider in providers(night).items()
            for account, count in provider.counters.api_calls.items()
        }
    )
    yield from (
        f"calls of {key}: {expected[key]} asked, {seen[key]} seen"
        for key in (expected - seen) + (seen - expected)
    )
    for connector, provider in providers(night).items():
        if provider.counters.api_refused:
            yield f"{connector} was called with tokens that had ended: {provider.counters.api_refused}"


def _spent(night: Night, ended: Collection[str]) -> Iterator[str]:
    """No refresh token was spent twice, and each that is dead was tried once."""
    dead = Counter(one.connector for name in ended for one in night.people[name].connections)
    for connector, provider in providers(night).items():
        if reused := [grant.account for grant in provider.grants() if grant.reused]:
            yield f"{connector}: refresh tokens were spent twice: {reused}"
        refused = sum(count for (_, how), count in provider.counters.token_requests.items() if how != "ok")
        if refused != dead[connector]:
            yield f"{connector} refused {refused} token requests, {dead[connector]} connections have ended"
        if provider.counters.revocations:
            yield f"{connector}: {provider.counters.revocations} connections were given back"


async def _saved(night: Night) -> Iterable[str]:
    """Every answer with new tokens is in our books, and nothing else."""
    ground, saved = night.here.house.ground, Counter[str]()
    for row in await ground.store.all("SELECT core FROM audit WHERE kind = 'tokens.refreshed'"):
        saved[json.loads(row["core"])["facts"]["connection"]] += 1
    given = {
        (connector, grant.account): grant.refreshes
        for connector, provider in providers(night).items()
        for grant in provider.grants()
    }
    books = [
        (f"{person.name}'s {one.connector}", given[one.connector, person.account], saved[one.id])
        for person in night.people.values()
        for one in person.connections
    ]
    return [f"{whose}: {theirs} renewals, {ours} saved" for whose, theirs, ours in books if theirs != ours]


async def _states(night: Night, ended: Collection[str]) -> Iterable[str]:
    house = night.here.house
    found = []
    for person in night.people.values():
        wanted = ConnectionState.NEEDS_REAUTH if person.name in ended else ConnectionState.CONNECTED
        for one in person.connections:
            now: Connection | None = await house.connections.rows.get(house.ground.store, one.id)
            if now is None or now.state is not wanted:
                found.append(f"{person.name}'s {one.connector} is {now and now.state}, not {wanted}")
    return found


async def _audit(night: Night) -> Iterable[str]:
    ground = night.here.house.ground
    report = await verify(ground.store, ground.keys, head_file=head_file(ground.settings))
    return [] if report.ok else [str(finding) for finding in report.findings]


def _in_plain(night: Night) -> Iterator[str]:
    """No token of a provider's is in our files, however it may be written: each begins with a mark."""
    home = night.here.house.ground.settings.home
    files = {file.name: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    for provider in providers(night).values():
        for mark in (provider.kind.marks.access, provider.kind.marks.refresh):
            for needle in spellings(mark):
                yield from (f"{needle!r} is in {name}" for name, held in files.items() if needle in held)


def spellings(mark: str) -> Iterator[bytes]:
    """A mark as it is, in hex, and in base64 wherever it begins."""
    raw = mark.encode()
    yield from (raw, raw.hex().encode())
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw)
        yield whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
