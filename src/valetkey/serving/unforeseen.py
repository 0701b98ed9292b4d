"""What becomes of an error that no room answered: the client learns that there was one, the log where.

uvicorn would log the error itself, and its text may hold anything that somebody sent.
"""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from valetkey.errors import where

_log = logging.getLogger(__name__)


class Untold:
    """An application whose unforeseen errors stay here. Starlette has answered by the time they come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever it is, its own text stays here
            _log.error("a request failed: %s", where(error))


async def store_failed(_: Request, error: Exception) -> JSONResponse:
    """Answer a StoreError: the store is full, read-only or busy, and nothing of this request was written."""
    _log.error("a request could not be stored: %s", error)
    text = "the store cannot be written just now, so nothing was done; try again later"
    body = {"error": "temporarily_unavailable", "error_description": text}
    return JSONResponse(body, 503, {"Cache-Control": "no-store", "Retry-After": "10"})
