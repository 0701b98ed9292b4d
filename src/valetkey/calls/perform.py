"""The path of every tool call. Read this first: it is the list of what can stop one."""

from collections.abc import Callable, Mapping

from valetkey.audit import Audit, Record
from valetkey.calls.answering import Answering
from valetkey.calls.arguments import checked
from valetkey.calls.limits import Limits
from valetkey.calls.own import OwnTool, own_tools
from valetkey.calls.policy import Policy
from valetkey.calls.run import run
from valetkey.connections import Connections
from valetkey.egress import Egress
from valetkey.errors import CallError
from valetkey.manifest import Catalog, Tool
from valetkey.model import Caller, CallId, Connection, Json, Outcome
from valetkey.needs import Needs


class Calls:
    """Carries out tool calls for their callers. `own` are the server's own tools, shown everywhere."""

    def __init__(
        self,
        catalog: Catalog,
        audit: Audit,
        limits: Limits,
        policy: Policy,
        needs: Needs,
        connections: Connections,
        egress: Egress,
        answering: Answering,
        awake: Callable[[], None],
    ) -> None:
        self.catalog, self._audit, self.policy, self.accounts = catalog, audit, policy, needs.accounts
        self._limits = limits
        self._needs, self._connections, self._egress = needs, connections, egress
        self._answering, self.own, self._awake = answering, own_tools(answering), awake
        self._own = {name: tool for tool in self.own for name in (tool.name, tool.name.replace(".", "_"))}

    def tool(self, name: str) -> Tool | OwnTool:
        """Return the tool of that name, in either spelling. Raises CallError `not_found`."""
        return self._own.get(name) or self.catalog.tool(name)

    def knows(self, name: str) -> bool:
        """Whether there is a tool of that name."""
        return name in self._own or self.catalog.knows(name)

    def only(self, shows: Callable[[Tool], bool]) -> "Calls":
        """Return the calls of an endpoint that shows only some of the tools: no other can be called there."""
        catalog = self.catalog.only(shows)
        answering = self._answering.over(catalog)
        return Calls(
            catalog,
            self._audit,
            self._limits,
            self.policy,
            self._needs,
            self._connections,
            self._egress,
            answering,
            self._awake,
        )

    async def perform(self, caller: Caller, name: str, arguments: Json, call: CallId) -> dict[str, Json]:
        """Carry out one tool call for its caller, or raise the CallError that says why not.

        Raises NeedsPerson when a link has to be opened first: then ask again with the same `call`, or
        with a new one where it says `resend`. StoreError: it could not be recorded, so it was not made.
        """
        async with self._audit.around(caller, name, call) as record:  # opened and closed, whatever happens
            self._limits.call(caller)  # rate_limited
            tool = record.tool(self.tool(name))  # not_found
            arguments = record.arguments(checked(tool, arguments))  # invalid
            await self.policy.forbids(caller, tool, arguments)  # denied, before anyone is asked for anything
            if isinstance(tool, OwnTool):
                return await tool.answer(caller, arguments)  # it needs no connection, and nothing is sent
            self._awake()  # unavailable, while this copy of the store is not the live one
            met = await self._needs.met(caller, tool, arguments)  # NeedsPerson: all that is missing, one page
            self._limits.send(met.connection)  # rate_limited, for the provider's sake
            while not await record.open(met.connection, met.grant.id, met.claim):  # durable before it is sent
                asked = met.connection
                met = await self._needs.met(caller, tool, arguments)  # another call had the last use of that
                if met.connection.id != asked.id:
                    self._limits.send(met.connection)
            return await self._run(record, caller, tool, arguments, met.connection, call)

    async def declined(self, caller: Caller, name: str, arguments: Json, call: CallId) -> None:
        """Close a call whose person said no. Raises CallError `declined`."""
        async with self._audit.around(caller, name, call) as record:
            tool = record.tool(self.tool(name))
            record.arguments(checked(tool, arguments))
            text = "The person declined. Do not ask for this again unless they bring it up."
            raise CallError(Outcome.DECLINED, text)

    async def _run(
        self,
        record: Record,
        caller: Caller,
        tool: Tool,
        arguments: Mapping[str, Json],
        connection: Connection,
        call: CallId,
    ) -> dict[str, Json]:
        credentials = self._connections.tokens(connection, tool.connector)
        upstream = self._egress.to(tool.connector.origins, credentials)
        try:
            return await run(tool, arguments, upstream, key=call)
        except CallError as error:
            if error.outcome == Outcome.RATE_LIMITED:
                self._limits.told(connection, error.retry_after)
            if error.outcome != Outcome.RECONNECT:
                raise
            # Refused for its token alone, so nothing happened: a person can mend it and it is sent anew.
            raise await self._needs.missing(
                caller, tool, Outcome.RECONNECT, connection, resend=True
            ) from None
        finally:
            record.upstream(upstream.status)
