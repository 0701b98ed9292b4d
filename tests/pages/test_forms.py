"""Forms: which bodies are read, and how large, how many fields and how slow they may be."""

from urllib.parse import urlencode

import anyio
import pytest
from starlette.requests import Request
from starlette.types import Message

from valetkey.errors import PageError
from valetkey.pages import Form, forms

FORM = "application/x-www-form-urlencoded"


def posted(*chunks: bytes, kind: str = FORM, gone: bool = False) -> Request:
    left = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    left.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""})

    async def receive() -> Message:
        return left.pop(0)

    return Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive)


async def read(*chunks: bytes, kind: str = FORM, gone: bool = False) -> Form:
    with anyio.fail_after(5):
        return await forms.read_form(posted(*chunks, kind=kind, gone=gone))


async def refused(*chunks: bytes, kind: str = FORM, gone: bool = False) -> int:
    with pytest.raises(PageError) as error:
        await read(*chunks, kind=kind, gone=gone)
    return error.value.status


async def test_fields_are_read_across_chunks_and_in_any_script() -> None:
    body = urlencode(
        [("tool", "gmail.list"), ("tool", "gmail.send"), ("name", "Zoë 🔑"), ("empty", "")]
    ).encode()
    form = await read(body[:7], body[7:], kind=f"{FORM}; charset=UTF-8")
    assert form.all("tool") == {"gmail.list", "gmail.send"}
    assert (form.one("name"), form.one("empty"), form.one("missing")) == ("Zoë 🔑", "", "")
    assert form.all("missing") == frozenset()


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "multipart/form-data; boundary=x"])
async def test_nothing_but_a_plain_form_is_read(kind: str) -> None:
    assert await refused(b"a=b", kind=kind) == 415


async def test_a_form_may_have_64_kb_and_not_one_more() -> None:
    assert (await read(b"a=" + b"x" * (forms.LARGEST - 2))).one("a")
    assert await refused(b"a=", b"x" * (forms.LARGEST - 1)) == 413


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xff", b"&".join([b"a=b"] * 501)])
async def test_what_is_no_text_or_too_many_fields_is_refused(body: bytes) -> None:
    assert await refused(body) == 400


async def test_a_browser_that_goes_away_is_not_waited_for() -> None:
    assert await refused(b"a=", gone=True) == 400


async def test_a_slow_form_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "SLOWEST", 0.01)

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    request = Request({"type": "http", "headers": [(b"content-type", FORM.encode())]}, receive)
    with anyio.fail_after(5), pytest.raises(PageError, match="too long"):
        await forms.read_form(request)
