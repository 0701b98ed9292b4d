"""Who a connection belongs to: one request that proves it works and names the account."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from valetkey.errors import CallError
from valetkey.manifest.clean import clean
from valetkey.manifest.connector import Connector
from valetkey.manifest.replies import Reply
from valetkey.manifest.requests import Request, parse_request
from valetkey.manifest.schema_tools import RequestTable
from valetkey.manifest.shape import Expression
from valetkey.model import Effect, Json, Outcome

Send = Callable[[Request], Awaitable[Reply]]
"""Sends one request with the connection's credential. What it raises, `whoami` lets through."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a provider: `id` pins it, `label` is what its owner knows it by."""

    id: str
    label: str
    avatar: str | None = None


async def whoami(connector: Connector, send: Send) -> Account | None:
    """Return the account of a connection, or None where the connector has no way to ask.

    Raises CallError when the provider refuses, or does not say who it is.
    """
    if connector.whoami is None:
        return None
    table = RequestTable(query=connector.whoami.query)
    template = parse_request(table, connector.whoami.request, None, connector.headers)
    reply = await send(template.fill(connector.base_url, {}))
    value = clean(connector.replies.value(reply, "json", Effect.READ))

    def read(source: str | None) -> str | None:
        return _text(Expression(source).search(value)) if source else None

    account = read(connector.whoami.account)
    if account is None:
        raise CallError(Outcome.FAILED, f"{connector.title} did not say whose account this is.")
    return Account(account, read(connector.whoami.label) or account, read(connector.whoami.avatar))


def _text(found: Json) -> str | None:
    """A text, or a number as some providers count their accounts; nothing else names one.

    A truth or a list would: what every account answers alike would make all of them one.
    """
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found else None
