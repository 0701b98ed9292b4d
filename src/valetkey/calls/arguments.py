"""A call's arguments: the tool's own, and the account it means, which is listed where there is a choice."""

from collections.abc import Sequence

from valetkey.calls.own import OwnTool
from valetkey.errors import CallError
from valetkey.manifest import Tool
from valetkey.model import Effect, Json, Outcome
from valetkey.needs.accounts import ARGUMENT

_LONGEST = 200


def checked(tool: Tool | OwnTool, arguments: Json) -> dict[str, Json]:
    """Return what an agent sent, with defaults, and with the account if it named one.

    Raises CallError `invalid`. Whose account it is, is looked up later.
    """
    if isinstance(tool, OwnTool):
        return tool.check(arguments)
    if not isinstance(arguments, dict) or arguments.get(ARGUMENT) is None:
        return tool.check(_without_account(arguments))
    account = arguments[ARGUMENT]
    if not isinstance(account, str) or len(account) > _LONGEST:
        raise CallError(Outcome.INVALID, f"`{ARGUMENT}` must be the name of an account.")
    return {**tool.check(_without_account(arguments)), ARGUMENT: account}


def schema_with_account(tool: Tool, accounts: Sequence[str]) -> dict[str, Json]:
    """Return a tool's input schema for a person with several accounts; a write has to say which."""
    schema = tool.input_schema
    about = f"Which {tool.connector.title} account of the person you act for. Ask them if it is not clear."
    account = {"type": "string", "enum": list(accounts), "description": about}
    required = [*schema.get("required", ()), *([] if tool.effect is Effect.READ else [ARGUMENT])]
    whole = {**schema, "properties": {**schema["properties"], ARGUMENT: account}}
    return whole | ({"required": required} if required else {})


def _without_account(arguments: Json) -> Json:
    if not isinstance(arguments, dict):
        return arguments
    return {name: value for name, value in arguments.items() if name != ARGUMENT}
