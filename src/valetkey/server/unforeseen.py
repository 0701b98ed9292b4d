"""What nobody foresaw: its text may hold anything, and the SDK would hand it to the client and to the log."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from valetkey.errors import where
from valetkey.server.elicit import Context

_log = logging.getLogger(__name__)
P = TypeVar("P")
R = TypeVar("R")
Handler = Callable[[Context, P], Awaitable[R]]


def untold(handler: Handler[P, R]) -> Handler[P, R]:
    """Of an unforeseen error in a handler its client learns that there was one, and the log where."""

    async def guarded(ctx: Context, params: P) -> R:
        try:
            return await handler(ctx, params)
        except MCPError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its own text stays here
            _log.error("a request failed: %s", where(error))
            text = "Something went wrong here, and the operator's log says where."
            raise MCPError(code=INTERNAL_ERROR, message=text) from None

    return guarded
