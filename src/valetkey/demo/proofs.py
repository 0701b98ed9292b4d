"""What the demo shows at the end: the audit and that it is whole, whose token went where, and who saw one."""

import base64
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from rich.text import Text

from valetkey.assemble import head_file, sign_head
from valetkey.audit.read import AuditRecord, records
from valetkey.audit.verify import verify
from valetkey.demo.account import Account
from valetkey.demo.scenes import Story
from valetkey.demo.stage import CLIENTS, Stage
from valetkey.model import Outcome

_MOST = 200


async def shows_audit(story: Story) -> None:
    """Every step, newest last, and what verification says of the whole chain."""
    story.tell.scene("What is on record")
    here = story.here
    await here.house.ground.audit.settled()  # the close of the last call, which nobody waited for
    await sign_head(here.house.ground)
    names = await _names(here)
    rows = [_row(record, names) for record in await _told(here)]
    story.tell.table(("when", "for", "agent", "what", "outcome"), rows)
    await _proves(here, story.tell)


async def counts_tokens(story: Story) -> None:
    """The providers' own counters, and a search for every token in all that reached an agent."""
    story.tell.scene("Where the tokens were")
    sandbox = story.here.sandbox
    for name in CLIENTS:
        counters = sandbox.providers[name].counters
        calls = [f"{count} calls with {account}'s token" for account, count in counters.api_calls.items()]
        story.tell.says(name.title(), f"saw {', '.join(calls) or 'no call'}, {counters.revocations} revoked")
    _search(story)


def _search(story: Story) -> None:
    """Look for every code and token that a provider issued in every byte that reached an agent."""
    issued = [token for name in CLIENTS for token in story.here.sandbox.providers[name].ledger.issued()]
    found = how_many_in(story.heard, issued)
    told = f"{len(issued)} codes and tokens were issued; {len(story.heard):,} bytes reached the agents"
    story.tell.aside(told)
    if found:
        story.tell.refused("Valetkey", f"{found} of them are among those bytes")
    else:
        story.tell.good("Valetkey", "none of them is among those bytes")


def how_many_in(heard: bytes | bytearray, tokens: Iterable[str]) -> int:
    """Count the tokens that were heard, also as URLs and base64 would carry them."""
    return sum(any(form in heard for form in _forms(token)) for token in tokens)


def _forms(token: str) -> tuple[bytes, ...]:
    plain = token.encode()
    return plain, quote(token, safe="").encode(), base64.b64encode(plain).rstrip(b"=")


async def _proves(here: Stage, tell: Account) -> None:
    ground = here.house.ground
    result = await verify(ground.store, ground.keys, head_file=head_file(ground.settings))
    tell.says("", Text.assemble(("$ ", "dim"), ("valetkey audit verify", "bold")))
    for finding in result.findings:
        tell.refused("Valetkey", f"event {finding.seq}: {finding.text}")
    if result.ok:
        whole = f"whole: {result.events} events in one signed chain, {result.records} sealed records match it"
        tell.good("Valetkey", whole)


async def _told(here: Stage) -> list[AuditRecord]:
    """The records of the story, oldest first; those of setting the stage are left out."""
    ground = here.house.ground
    found = await records(ground.store, ground.vault, limit=_MOST)
    return [record for record in reversed(found) if record.kind in _WORDS]


async def _names(here: Stage) -> dict[str, str]:
    """What people call those whom the audit knows by their ids."""
    accounts, agents, store = here.house.accounts, here.house.agents, here.house.ground.store
    people = {person.subject: person.name.title() for person in await accounts.all(store)}
    return people | {agent.id: agent.name for agent in await agents.all(store)}


def _row(record: AuditRecord, names: dict[str, str]) -> tuple[str | Text, ...]:
    when = datetime.fromtimestamp(record.at / 1000).astimezone()
    person = names[record.principal.subject] if record.principal else ""
    agent = Text(names[record.actor.client]) if record.by == "agent" and record.actor else _BY[record.by]
    return f"{when:%H:%M:%S}.{when.microsecond // 1000:03}", person, agent, _what(record), _outcome(record)


def _what(record: AuditRecord) -> str:
    facts = record.details
    about = record.tool or facts.get("connector") or ", ".join(facts.get("tools", ()))
    return f"{_WORDS[record.kind]} {about}".strip()


def _outcome(record: AuditRecord) -> Text:
    said = record.outcome or record.details.get("at_provider") or ""
    bad = record.kind == "call" and said != Outcome.OK
    return Text(said, "red" if bad else "green")


_BY = {"agent": Text(), "person": Text("in person", "dim"), "system": Text("the server", "dim")}
_WORDS = {
    "call": "",
    "person.joined": "joined",
    "person.signed_in": "signed in",
    "connection.connected": "connected",
    "grant.given": "allowed",
    "connection.revoked": "disconnected",
    "connection.given_back": "gave the token back",
}
"""The kinds of records that the story is about, in words."""
