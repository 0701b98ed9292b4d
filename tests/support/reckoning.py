"""What came of many calls: our audit, what the clients saw, and the providers' own counters, compared.

Each comparison gives sentences about what does not agree; where all is true there are none.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tests.support.fleet import complaints
from tests.support.truth import PROVIDERS, Truth
from valetkey.assemble import House, head_file, opened
from valetkey.audit.verify import verify
from valetkey.settings import load

EXPIRED = frozenset({"expired", "token_expired"})
"""An expired token, as every provider counts it, and as Slack says it."""

T = TypeVar("T")
Called = tuple[str, str, str]
"""A person's name, an agent's and a tool."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The end of it: `wrong` holds all that does not agree. By provider: refreshes, API requests whose
    token had just expired (each was made again), API requests that were answered.
    """

    wrong: list[str]
    events: int
    refreshes: dict[str, int]
    expired: dict[str, int]
    requests: dict[str, int]


async def reckoned(truth: Truth, progress: Callable[[int, int], None] = lambda _, __: None) -> Reckoning:
    """Compare everything, once the servers have stopped and so have written all there was to write."""
    async with opened(load(truth.home)) as house:
        opened_calls, ended_well = await _audited(house, truth)
        ground, head = house.ground, head_file(house.ground.settings)
        checked = await verify(ground.store, ground.keys, head_file=head, progress=progress)
    wrong = [
        *truth.tally.wrong,
        *(f"{finding}" for finding in checked.findings),
        *_differences("opened and not ended well", opened_calls, ended_well),
        *_differences("answered and in the audit", truth.tally.answers, ended_well),
        *_differences("in the audit and at the providers", _expected(truth, opened_calls), _counted(truth)),
        *_notes(truth, ended_well),
        *_refused(truth),
        *complaints(truth.home).splitlines(),
    ]
    return Reckoning(wrong, checked.events, *_seen(truth))


async def _audited(house: House, truth: Truth) -> tuple[Counter[Called], Counter[Called]]:
    """The calls that were opened, and of these the ones that ended well."""
    names = {person.subject: person.name for person in truth.people}
    opened_calls, ended_well = Counter[Called](), Counter[Called]()
    sql = "SELECT core FROM audit WHERE kind = $1"
    for kind, found in (("call.opened", opened_calls), ("call.closed", ended_well)):
        for row in await house.ground.store.all(sql, kind):
            core = json.loads(row["core"])
            if kind == "call.opened" or core["facts"]["outcome"] == "ok":
                agent = truth.agents[core["actor"][0]]
                found[names[core["principal"][1]], agent, core["facts"]["tool"]] += 1
    return opened_calls, ended_well


def _expected(truth: Truth, calls: Counter[Called]) -> Counter[tuple[str, str]]:
    """How many requests with whose token each provider has to have counted.

    Besides those of the calls there is one for each consent: whose account it is.
    """
    costs = {step.tool: step.requests for step in truth.steps}
    accounts = {person.name: person.account for person in truth.people}
    found = Counter[tuple[str, str]]()
    for (name, _, tool), count in calls.items():
        found[PROVIDERS[tool.partition(".")[0]], accounts[name]] += count * costs[tool]
    for provider in PROVIDERS.values():
        found.update((provider, grant.account) for grant in truth.sandbox.providers[provider].grants())
    return found


def _counted(truth: Truth) -> Counter[tuple[str, str]]:
    providers = truth.sandbox.providers
    counted = {name: providers[name].counters.api_calls for name in PROVIDERS.values()}
    return Counter(
        {(name, account): count for name, calls in counted.items() for account, count in calls.items()}
    )


def _differences(what: str, one: Counter[T], other: Counter[T]) -> Iterator[str]:
    for key in sorted(one.keys() | other.keys(), key=str):
        if one[key] != other[key]:
            yield f"{what}: {key}: {one[key]} and {other[key]}"


def _notes(truth: Truth, ended_well: Counter[Called]) -> Iterator[str]:
    """What was written has to be there once, and be of whoever had it written."""
    posted = truth.sandbox.strict.counters.posted
    written = sum(count for (_, _, tool), count in ended_well.items() if tool == "notes.write_note")
    if not len(posted) == len({note["text"] for note in posted}) == written:
        yield f"{written} notes are to be written, {len(posted)} are there, not each of them once"


def _refused(truth: Truth) -> Iterator[str]:
    """No refresh token is used twice or after its end, no access token is sent but one that just expired."""
    for name in PROVIDERS.values():
        provider = truth.sandbox.providers[name]
        for (kind, how), count in provider.counters.token_requests.items():
            if how != "ok":
                yield f"{name} answered {count} requests for {kind} with {how}"
        if other := provider.counters.api_refused.keys() - EXPIRED:
            yield f"{name} refused requests to its API: {sorted(other)}"
        ended = sum(grant.revoked for grant in provider.grants())
        if ended != provider.counters.revocations:
            yield f"{name}: {ended} grants have ended, and we gave back {provider.counters.revocations}"


def _seen(truth: Truth) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    seen = {name: truth.sandbox.providers[name].counters for name in PROVIDERS.values()}
    refreshes = {name: counters.refreshes.total() for name, counters in seen.items()}
    expired = {name: counters.api_refused["expired"] for name, counters in seen.items()}
    return refreshes, expired, {name: counters.api_calls.total() for name, counters in seen.items()}
