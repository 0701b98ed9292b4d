"""What the audit's tests are about: Ana, her agent, two tools, a short history with some of everything."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from valetkey.audit import Audit, Record
from valetkey.audit.checkpoint import checkpoint
from valetkey.audit.head import Checkpoint
from valetkey.errors import CallError, NeedsPerson
from valetkey.model import (
    Actor,
    AuditEvent,
    Caller,
    CallId,
    Clock,
    Connection,
    ConnectionState,
    Effect,
    Outcome,
    Principal,
)
from valetkey.store import Store
from valetkey.vault import Vault

Start = Callable[[], Audit]
"""Makes an audit on the test's store; leaving it writes what waits."""

ANA, BEN = Principal("local", "prs_ana"), Principal("local", "prs_ben")
AGENT = Actor("triage", ("planner",))
CALLER = Caller(ANA, AGENT, "ses_1")
CONNECTION = Connection(
    "con_1", ANA, "gmail", "my-gmail", ConnectionState.CONNECTED, "tok_1", frozenset({"mail"})
)


@dataclass(frozen=True)
class Tool:
    name: str
    effect: Effect
    sensitive: frozenset[str] = frozenset()


LIST = Tool("gmail.list_unread", Effect.READ)
POST = Tool("slack.post_message", Effect.WRITE, frozenset({"text"}))

NEED = NeedsPerson(
    Outcome.NOT_CONNECTED, "Open the link.", link="http://localhost/connect/x", request="req_1", wants="Gmail"
)


async def send(record: Record, tool: Tool = LIST, **arguments: object) -> None:
    """What `perform` does up to the sending."""
    record.tool(tool)
    record.arguments(arguments)
    await record.open(CONNECTION)


async def made(audit: Audit, call: str, tool: Tool = LIST, **arguments: object) -> None:
    """A call that ended well."""
    async with audit.around(CALLER, tool.name, CallId(call)) as record:
        await send(record, tool, **arguments)
        record.upstream(200)


async def fails(audit: Audit, call: str, error: BaseException, *, sent: bool = False) -> None:
    """A leg that ends with an error, which it raises."""
    async with audit.around(CALLER, LIST.name, CallId(call)) as record:
        if sent:
            await send(record)
        raise error


async def asks(audit: Audit, call: str) -> None:
    """A leg that needs a person, and raises NEED."""
    async with audit.around(CALLER, LIST.name, CallId(call)) as record:
        record.tool(LIST)
        record.arguments({"limit": 5})
        raise NEED


async def refused(audit: Audit, call: str, outcome: str = Outcome.DENIED) -> None:
    """A call that was never sent."""
    with suppress(CallError):
        async with audit.around(CALLER, POST.name, CallId(call)) as record:
            record.tool(POST)
            record.arguments({"text": "hello"})
            raise CallError(outcome, "No.")


def granted(**personal: object) -> AuditEvent:
    return AuditEvent("grant.given", "person", ANA, AGENT, {"grant": "gnt_1"}, personal)


async def seal(audit: Audit, store: Store, vault: Vault, key: str, content: object) -> None:
    """A token is sealed, and the audit given its receipt, in one transaction."""
    async with store.transaction() as tx:
        receipt = await vault.put(tx, "token", key, content)
        await audit.append(tx, AuditEvent("token.sealed", "system", ANA, None, receipt.facts()))


async def history(start: Start, store: Store, vault: Vault, clock: Clock, head_file: Path) -> Checkpoint:
    """Eight events with everything that can be tampered with, under two checkpoints."""
    async with start() as audit:
        await seal(audit, store, vault, "tok_1", {"access": "old"})
        await audit.note(granted(label="ana@example.com"))
        await made(audit, "call_1", sender="ben@example.com")
    await checkpoint(store, vault.keys, clock, head_file)
    async with start() as audit:
        await seal(audit, store, vault, "tok_1", {"access": "new"})
        await refused(audit, "call_2")
        await made(audit, "call_3", POST, channel="#support", text="secret text")
    signed = await checkpoint(store, vault.keys, clock, head_file)
    assert signed is not None
    return signed
