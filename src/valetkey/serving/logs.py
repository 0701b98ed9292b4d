"""What is written to stderr: one record is one line, whatever is in it, as text or as JSON.

The first net against secrets in logs is that nobody logs any: what is logged here is ours, and libraries that
would write requests at DEBUG are held at WARNING. The second net is `Redaction`, which knows what tokens look
like. Our own access log says method and path: a query holds codes and states.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from time import gmtime, perf_counter
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from valetkey.model import Ids
from valetkey.settings.notify import LogsSettings

LONGEST = 8_192
"""Characters of one record's message: more is cut, and says so."""

_TALKATIVE = ["aiohttp", "aiosmtplib", "aiosqlite", "asyncio", "asyncpg", "authlib", "boto3", "botocore"]
_TALKATIVE += ["httpcore", "httpcore2", "httpx", "httpx2", "hvac", "keyring", "mcp", "urllib3", "uvicorn"]

_TOKENS = re.compile(
    r"gh[opsur]_[A-Za-z0-9]{10,}|github_pat_\w{10,}|xox[a-z]-[\w-]{5,}|ya29\.[\w-]{5,}|(?<![\w/])1//[\w-]{5,}"
    r"|eyJ[\w-]{5,}(?:\.[\w-]*){0,4}|whsec_[\w+/=-]{10,}|(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
)
_UNPLAIN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What ends a line somewhere, what terminals obey, what turns text around, and half characters."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Which request a record belongs to: the same in the access log's line."""

_access = logging.getLogger("valetkey.access")


class Redaction(logging.Filter):
    """Renders a record's message, takes out what looks like a token, and makes one line of the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = _rendered(record)
        if record.exc_info and record.exc_info[0]:  # its own text may hold anything, and so may its frames
            text, record.exc_info, record.exc_text = f"{text} ({record.exc_info[0].__name__})", None, None
        record.msg, record.args, record.stack_info = _plain(text), None, None
        record.request = request_id.get()
        return True


def set_up(settings: LogsSettings, stream: TextIO | None = None) -> None:
    """Send all records to a stream, stderr by default, from a level on. Replaces what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Redaction())
    handler.setFormatter(_FORMATS[settings.format]())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


class AccessLog:
    """An application whose requests are logged by method, path, status and time, and given an id."""

    def __init__(self, app: ASGIApp, ids: Ids, timer: Callable[[], float] = perf_counter) -> None:
        self._app, self._ids, self._timer = app, ids, timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _access.isEnabledFor(logging.INFO):
            return await self._app(scope, receive, send)
        status, began = 0, self._timer()
        token = request_id.set(self._ids.new("req"))

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            return await self._app(scope, receive, sending)
        finally:
            told = {"method": scope["method"], "path": _shown(scope["path"]), "status": status}
            told["milliseconds"] = round((self._timer() - began) * 1000)
            _access.info("%(method)s %(path)s %(status)s %(milliseconds)sms", told, extra={"http": told})
            request_id.reset(token)


def _shown(path: str) -> str:
    """A path as it may be kept: whoever reads an invitation before its person does could use it."""
    return "/join/…" if path.startswith("/join/") else path


class _Json(JsonFormatter):
    """Every field a string or a number of ours; everything outside ASCII is escaped. Times are UTC."""

    def __init__(self) -> None:
        super().__init__(json_ensure_ascii=True)
        self.converter = gmtime

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["at"] = self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}Z"
        log_data |= {"level": record.levelname.lower(), "logger": record.name, "message": record.msg}
        if asked := getattr(record, "request", None):
            log_data["request"] = asked
        http: Mapping[str, Any] = getattr(record, "http", {})
        log_data |= {name: _plain(value) if isinstance(value, str) else value for name, value in http.items()}


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(message)s", "%Y-%m-%d %H:%M:%S")


_FORMATS = {"json": _Json, "text": _Text}


def _rendered(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a record whose text does not fit its values is still a record
        return str(record.msg)


def _plain(text: str) -> str:
    """One line without what looks like a token, of bearable length."""
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} … {len(text)} characters"
    return _UNPLAIN.sub(lambda found: f"\\x{ord(found[0]):02x}", _TOKENS.sub("***", cut))
