"""One call's record while the call runs: what is known so far, and the events it leaves behind."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from valetkey.audit.chain import compact
from valetkey.audit.writer import Claim, GroupCommit, Pending
from valetkey.errors import NeedsPerson, Replayed, StoreError
from valetkey.model import AuditEvent, Caller, CallId, Connection, Effect, Json, Outcome
from valetkey.vault import KeyRing, Purpose

_MAX_NAME = 100


class _Tool(Protocol):
    """What the record keeps of a tool."""

    @property
    def name(self) -> str: ...
    @property
    def effect(self) -> Effect: ...
    @property
    def sensitive(self) -> frozenset[str]: ...


T = TypeVar("T", bound=_Tool)


class Record:
    """What `Audit.around` hands to the call. Each method returns or keeps what it was told."""

    def __init__(
        self,
        commits: GroupCommit,
        keys: KeyRing,
        caller: Caller,
        name: str,
        call: CallId,
        outcome_of: Callable[[CallId], Awaitable[str]],
    ) -> None:
        self._commits, self._keys, self._caller, self._call = commits, keys, caller, call
        self._outcome_of = outcome_of
        self._facts: dict[str, Json] = {"tool": name[:_MAX_NAME]}
        self._arguments: Mapping[str, Json] = {}
        self._effect = Effect.WRITE  # until the tool is known, the careful assumption
        self._sensitive: frozenset[str] = frozenset()
        self.sent = False

    def tool(self, tool: T) -> T:
        """Remember which tool it is."""
        self._facts |= {"tool": tool.name, "effect": tool.effect}
        self._effect, self._sensitive = tool.effect, tool.sensitive
        return tool

    def arguments(self, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
        """Remember the checked arguments: a keyed digest in the chain, the values beside it, sealed."""
        self._facts["arguments"] = self._keys.server(Purpose.LOOKUP).digest(compact(dict(arguments)))
        shown = {name: "***" if name in self._sensitive else value for name, value in arguments.items()}
        self._arguments = {"arguments": shown} if shown else {}
        return arguments

    def upstream(self, status: int | None) -> None:
        """Remember the last HTTP status the upstream answered with; None: it never did."""
        if status is not None:
            self._facts["status"] = status

    async def open(
        self, connection: Connection, grant: str | None = None, claim: Claim | None = None
    ) -> bool:
        """Write, before anything is sent, that this call is sent now with this connection, under a grant.

        False when its claim failed: what it was to use up is gone, and it is not sent.
        Raises Replayed, with the stored outcome, when this call id was sent before or has ended;
        StoreError when it cannot be written: then the call does not happen.
        """
        self._facts |= {"connection": connection.id} | ({"grant": grant} if grant else {})
        event = self._event("call.opened", self._facts, self._arguments)
        durable = self._effect is not Effect.READ or claim is not None
        pending = Pending(event, call=self._call, durable=durable, claim=claim)
        self.sent = await self._commits.now(pending)
        if not self.sent and not pending.gone:
            raise await self._replayed()
        return self.sent

    async def asked(self, need: NeedsPerson) -> None:
        """Write that a person was asked: once per call, however many legs wait for the answer.

        A call that was sent does not wait: it ends with what it turned out to need.
        """
        if self.sent:
            return self.close(need.outcome)
        facts = self._facts | {"outcome": need.outcome, "request": need.request}
        event = self._event("call.asked", facts, self._arguments)
        await self._commits.now(Pending(event, call=self._call, durable=False, unless_opened=True))
        return None

    def close(self, outcome: str) -> None:
        """Leave how it ended to the next commit, unawaited; a missing close reads as `unknown`.

        A leg that was not sent (or was cancelled while it was being opened) has no say over one that was.
        """
        facts = self._facts | {"outcome": outcome}
        event = self._event("call.closed", facts, {} if self.sent else self._arguments)
        try:
            self._commits.soon(Pending(event, call=self._call, durable=False, unless_opened=not self.sent))
        except StoreError:
            return  # the answer is the caller's; the audit says `unknown`, which is true of the record

    async def _replayed(self) -> Replayed:
        outcome = await self._outcome_of(self._call)
        text = f"This call was already made and ended as `{outcome}`; it is not sent twice. Make a new call."
        return Replayed(outcome if outcome != Outcome.OK else Outcome.CONFLICT, text)

    def _event(self, kind: str, facts: Mapping[str, Json], personal: Mapping[str, Json]) -> AuditEvent:
        return AuditEvent(kind, "agent", self._caller.principal, self._caller.actor, dict(facts), personal)
