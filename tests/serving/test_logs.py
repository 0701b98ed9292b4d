"""Logs: one record is one line whatever is in it, without what looks like a token, or a request's query."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from valetkey.model import Ids, SystemClock
from valetkey.serving.logs import LONGEST, AccessLog, request_id, set_up
from valetkey.settings.notify import LogsSettings

EVIL = {
    "a new line": "one\ntwo",
    "a carriage return": "one\rtwo",
    "a terminal's colours": "\x1b[31mred\x1b[0m",
    "a line separator": "one\u2028two\u2029three",
    "JSON": '"},{"level":"info","message":"made up"}',
    "a megabyte": "x" * 1_000_000,
    "half a character": "\ud800",
    "nothing": "\x00",
}
TOKENS = (
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-1234567890-abcdef",
    "ya29.a0AfH6SMBx-abcdef",
    "1//0gabcdefgHIJKL",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "Bearer abcdefghijk",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
)


@dataclass
class Written:
    """What was written so far."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def lines(self) -> list[str]:
        text = self.stream.getvalue()
        assert text == "" or text.endswith("\n")
        return text.splitlines()  # which knows every separator there is

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line, object_pairs_hook=_each_once) for line in self.lines]

    def clear(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()


def _each_once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields of one name readers take the one or the other: a forged one could win."""
    assert len({name for name, _ in fields}) == len(fields)
    return dict(fields)


@pytest.fixture(scope="module", params=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[Written]:
    yield from _set_up(request.param)


@pytest.fixture
def as_json() -> Iterator[Written]:
    yield from _set_up("json")


def _set_up(form: Any) -> Iterator[Written]:
    root, found = logging.getLogger(), Written()
    before = (root.handlers, root.level)
    set_up(LogsSettings(format=form, level="debug"), found.stream)
    yield found
    root.handlers, root.level = before[0], before[1]


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_a_record_is_one_line_whatever_is_in_it(written: Written, evil: str) -> None:
    written.clear()
    logging.getLogger("valetkey.test").warning("it said: %s", evil)
    _handle(_attacked(evil))
    assert len(written.lines) == 2
    assert len(written.lines[0]) < LONGEST * 2
    assert all(line.isprintable() for line in written.lines)


def _handle(record: logging.LogRecord) -> None:
    """Hand a record to our handler alone: pytest keeps what it hears for a report, which takes no halves."""
    logging.getLogger().handlers[0].handle(record)


def _attacked(evil: str) -> logging.LogRecord:
    """A record that has a text in every place where it can have one."""
    kind = type(evil.encode(errors="replace").decode().replace("\0", ""), (Exception,), {})
    caught, values = (kind, kind(evil), None), (evil, evil)
    record = logging.LogRecord(f"a.{evil}", logging.WARNING, evil, 1, "%s: %s", values, caught, evil)
    record.stack_info, record.exc_text, record.threadName, record.processName = evil, evil, evil, evil
    record.__dict__ |= {"http": {"method": evil, "path": evil}, "level": evil, "at": evil, "made_up": evil}
    return record


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_what_stands_in_any_place_of_a_record_makes_no_field_and_no_other_record(
    as_json: Written, evil: str
) -> None:
    inside = request_id.set(evil)
    _handle(_attacked(evil))
    request_id.reset(inside)
    (line,), (told,) = as_json.lines, as_json.records
    assert line.isprintable()
    assert told.keys() == {"at", "level", "logger", "message", "request", "method", "path"}
    assert told["level"] == "warning"
    assert abs(datetime.fromisoformat(told["at"]) - datetime.now(UTC)) < timedelta(minutes=10)
    assert all(told[name].isprintable() for name in ("message", "method", "path"))


@given(st.text())
def test_no_text_begins_a_second_record(written: Written, text: str) -> None:
    written.clear()
    logging.getLogger("valetkey.test").warning(text)
    logging.getLogger("valetkey.test").warning("%s", text)
    assert len(written.lines) == 2


@pytest.mark.parametrize("token", TOKENS)
def test_what_looks_like_a_token_is_not_written(written: Written, token: str) -> None:
    written.clear()
    logging.getLogger("some.library").error("refused: %s (again)", token)
    logging.getLogger("some.library").error({"token": token})
    assert token.rpartition(" ")[2] not in written.stream.getvalue()
    assert written.stream.getvalue().count("***") == 2


def test_an_error_is_written_by_its_kind_alone(written: Written) -> None:
    written.clear()
    try:
        raise ValueError("s3cret of somebody")
    except ValueError:
        logging.getLogger("valetkey.test").exception("it failed")
    (line,) = written.lines
    assert "it failed (ValueError)" in line
    assert "s3cret" not in line


def test_a_record_that_does_not_fit_its_values_is_still_written(written: Written) -> None:
    written.clear()
    values = ("one",)
    logging.getLogger("valetkey.test").warning("%s and %s", *values)
    assert "%s and %s" in written.lines[0]


@pytest.mark.parametrize("name", ["aiohttp.client", "httpx2", "mcp.server.lowlevel", "authlib", "aiosmtplib"])
def test_libraries_that_would_write_requests_are_held(written: Written, name: str) -> None:
    written.clear()
    logging.getLogger(name).info("GET https://api.example/?token=s3cret")
    logging.getLogger(name).debug("GET https://api.example/?token=s3cret")
    assert written.lines == []


async def _answer(request: Request) -> PlainTextResponse:
    logging.getLogger("valetkey.test").info("within")
    return PlainTextResponse("ok", 203)


APP = AccessLog(Starlette(routes=[Route("/{path:path}", _answer)]), Ids(SystemClock()))


async def test_a_request_is_written_by_its_path_and_never_its_query(as_json: Written) -> None:
    transport = httpx2.ASGITransport(APP)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        await http.get("/callback/my-google?code=s3cret&state=s3cret", headers={"Authorization": "s3cret"})
    within, told = as_json.records
    assert "s3cret" not in as_json.stream.getvalue()
    assert (told["method"], told["path"], told["status"]) == ("GET", "/callback/my-google", 203)
    assert told["message"].startswith("GET /callback/my-google 203 ")
    assert within["request"] == told["request"] != ""


async def test_a_path_that_tries_to_be_two_lines_is_one(as_json: Written) -> None:
    transport = httpx2.ASGITransport(APP)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        await http.get("/a%0a%0d%1b%5b31mb%e2%80%a8c")
    (told,) = as_json.records
    assert told["path"] == "/a\\x0a\\x0d\\x1b[31mb\\x2028c"
