"""The API of `strict`: whose token came, what arrived byte for byte, pages and notes."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.sandbox.visitor import Visitor, strict
from valetkey.sandbox import Sandbox

API = "/strict/api"


async def test_whoami_and_echo_name_the_tokens_owner(visitor: Visitor) -> None:
    for account in ("ana@example.com", "ben@example.com"):
        await visitor.connect(strict(), account)
        assert (await visitor.get(API + "/whoami")).json()["account"] == account
        echo = (await visitor.get(API + "/echo", a=["1", "2"])).json()
        assert (echo["account"], echo["query"]) == (account, [["a", "1"], ["a", "2"]])


async def test_an_echo_shows_names_of_headers_and_never_a_token(visitor: Visitor) -> None:
    tokens = await visitor.connect(strict(), "ana@example.com")
    answer = await visitor.post(API + "/echo", {"a": 1})
    assert answer.json()["body"] == '{"a":1}'
    assert "authorization" in answer.json()["headers"]
    assert tokens["access_token"] not in answer.text


async def test_notes_belong_to_who_wrote_them(visitor: Visitor) -> None:
    await visitor.connect(strict(), "ana@example.com")
    note = await visitor.post(API + "/notes", {"text": "milk"})
    assert (note.status_code, note.json()["owner"]) == (201, "ana@example.com")
    path = f"{API}/notes/{note.json()['id']}"
    await visitor.connect(strict(), "ben@example.com")
    assert (await visitor.get(API + "/notes")).json() == {"notes": []}
    assert (await visitor.http.delete(path, headers=visitor.headers)).status_code == 404
    await visitor.connect(strict(), "ana@example.com")
    assert (await visitor.http.delete(path, headers=visitor.headers)).status_code == 204
    assert (await visitor.get(API + "/notes")).json() == {"notes": []}


@pytest.mark.parametrize("body", [{}, [], "text"])
async def test_a_note_without_text_is_refused(visitor: Visitor, body: Any) -> None:
    await visitor.connect(strict(), "ana@example.com")
    assert (await visitor.post(API + "/notes", body)).status_code == 422


async def test_writing_needs_the_scope_for_it(visitor: Visitor) -> None:
    await visitor.connect(strict(), "ana@example.com", scope="notes.read")
    answer = await visitor.post(API + "/notes", {"text": "milk"})
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="notes.write"' in answer.headers["www-authenticate"]


async def test_pages_are_linked_in_body_and_header(visitor: Visitor, sandbox: Sandbox) -> None:
    await visitor.connect(strict(), "ana@example.com")
    items, link = [], sandbox.base_url + API + "/pages"
    while link:
        answer = await visitor.http.get(link, headers=visitor.headers)
        link = answer.json()["next"]
        items += answer.json()["items"]
        assert answer.headers.get("link") == (f'<{link}>; rel="next"' if link else None)
    assert items == [f"ana@example.com item {number}" for number in range(1, 7)]
    assert (await visitor.get(API + "/pages", page="4")).status_code == 404


async def test_a_next_link_can_lead_astray(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.strict.change(next_links_to="https://evil.example")
    await visitor.connect(strict(), "ana@example.com")
    assert urlsplit((await visitor.get(API + "/pages")).json()["next"]).netloc == "evil.example"


@pytest.mark.parametrize(
    "path", ["a/b", "a%2Fb", "%2e%2e", "a%20b", "caf%C3%A9", "a;b", "a%00b", "a//b", "a%252e"]
)
async def test_a_path_is_recorded_as_it_arrived(visitor: Visitor, sandbox: Sandbox, path: str) -> None:
    await visitor.connect(strict(), "ana@example.com")
    answer = await visitor.http.get(f"{API}/items/{path}?q=1", headers=visitor.headers)
    assert answer.json() == {"account": "ana@example.com", "path": f"{API}/items/{path}"}
    assert sandbox.strict.counters.paths == [f"{API}/items/{path}"]


async def test_no_token_is_a_challenge(visitor: Visitor) -> None:
    answer = await visitor.get(API + "/whoami")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        401,
        'Bearer realm="strict", error="invalid_token"',
    )
