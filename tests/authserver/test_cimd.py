"""Clients that are known by a document: fetched through the one guarded way out, and held to what it says."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc
import pytest

from tests.egress.hostile import bomb
from tests.support.clock import FakeClock
from valetkey.authserver.cimd import FAILURE_KEPT, LONGEST_KEPT, SHORTEST_KEPT, USUALLY_KEPT, Documents
from valetkey.authserver.known import known_clients
from valetkey.egress import Egress, Rules
from valetkey.errors import OAuthError
from valetkey.model import DAY, MINUTE, SECOND, Json
from valetkey.people import Kind

ORIGIN = "https://client.example"
URL = f"{ORIGIN}/metadata.json"
CLAUDE = "https://claude.ai/oauth/claude-code-client-metadata"
JSON = "Content-Type: application/json"
DOCUMENT: dict[str, Json] = {
    "client_id": URL,
    "client_name": "Reader",
    "redirect_uris": ["http://localhost/callback", "https://client.example/callback"],
    "token_endpoint_auth_method": "none",
}


@dataclass
class Publisher:
    """Whoever publishes documents: gives each request the answer it stands ready with, or none at all."""

    answer: bytes | None = b""
    asked: list[bytes] = field(default_factory=list)
    busy: anyio.Event = field(default_factory=anyio.Event)
    hold: anyio.Event | None = None

    def publishes(self, document: Json, *headers: str, status: str = "200 OK") -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        lines = [
            f"HTTP/1.1 {status}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(headers or (JSON,)),
        ]
        self.answer = ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    async def heard(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive()
            self.asked.append(request)
            if self.hold:
                if len(self.asked) == 20:
                    self.busy.set()
                await self.hold.wait()
            if self.answer is not None:
                await stream.send(self.answer)


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[Publisher, str]]:
    publisher = Publisher()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, publisher.heard)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        yield publisher, f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


@dataclass
class Library:
    """Documents, and who publishes them."""

    documents: Documents
    publisher: Publisher
    clock: FakeClock

    async def refused(self, url: str = URL) -> str:
        with pytest.raises(OAuthError) as caught:
            await self.documents.client(url)
        assert caught.value.error == "invalid_client"
        return caught.value.description


@pytest.fixture
async def library(clock: FakeClock) -> AsyncIterator[Library]:
    async with publishing() as (publisher, at):
        hosts = {ORIGIN: at, "https://claude.ai": at, "https://private.example": at}
        async with Egress(Rules(hosts=hosts)) as egress:
            documents = Documents(egress, clock, frozenset({"https://private.example"}))
            publisher.publishes(DOCUMENT)
            yield Library(documents, publisher, clock)


async def test_a_client_is_what_its_document_says(library: Library) -> None:
    client = await library.documents.client(URL)
    assert (client.id, client.name, client.kind) == (URL, "Reader", Kind.DOCUMENT)
    assert client.metadata == {
        "redirect_uris": DOCUMENT["redirect_uris"],
        "token_endpoint_auth_method": "none",
    }
    (request,) = library.publisher.asked
    assert request.startswith(b"GET /metadata.json HTTP/1.1\r\n")
    assert b"cookie" not in request.lower()
    assert b"authorization" not in request.lower()


async def test_a_client_without_a_name_has_that_of_its_host(library: Library) -> None:
    library.publisher.publishes({**DOCUMENT, "client_name": "\u200b"})
    assert (await library.documents.client(URL)).name == "client.example"


async def test_a_client_with_keys_keeps_them(library: Library) -> None:
    keys = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x"}]}
    library.publisher.publishes({**DOCUMENT, "token_endpoint_auth_method": "private_key_jwt", "jwks": keys})
    assert (await library.documents.client(URL)).metadata["jwks"] == keys


OTHERS: dict[str, Json] = {
    "another client's": {**DOCUMENT, "client_id": "https://other.example/metadata.json"},
    "one that differs in case": {**DOCUMENT, "client_id": "https://client.example/Metadata.json"},
    "one with a slash more": {**DOCUMENT, "client_id": f"{URL}/"},
    "no id": {name: value for name, value in DOCUMENT.items() if name != "client_id"},
    "a list of ids": {**DOCUMENT, "client_id": [URL]},
    "no redirect": {**DOCUMENT, "redirect_uris": []},
    "a redirect that runs scripts": {**DOCUMENT, "redirect_uris": ["javascript:alert(1)"]},
    "a redirect in the clear": {**DOCUMENT, "redirect_uris": ["http://client.example/callback"]},
    "a secret": {**DOCUMENT, "client_secret": "x"},
    "a method with a secret": {**DOCUMENT, "token_endpoint_auth_method": "client_secret_post"},
    "keys elsewhere": {
        **DOCUMENT,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": f"{ORIGIN}/k",
    },
    "a name that is no text": {**DOCUMENT, "client_name": 5},
    "a list": [DOCUMENT],
    "text": "x",
    "nothing": b"",
    "no JSON": b"{",
    "not a number": b'{"client_id": NaN}',
    "deep": b"[" * 10_000,
}


@pytest.mark.parametrize("document", OTHERS.values(), ids=list(OTHERS))
async def test_a_document_that_is_not_this_clients_or_none_at_all_is_refused(
    library: Library, document: Json
) -> None:
    library.publisher.publishes(document)
    assert await library.refused()


ANSWERS = {
    "not found": ("404 Not Found", (JSON,)),
    "a page": ("200 OK", ("Content-Type: text/html",)),
    "of no type": ("200 OK", ("X-Nothing: here",)),
    "elsewhere": ("302 Found", ("Location: https://claude.ai/oauth/claude-code-client-metadata", JSON)),
    "inside": ("307 Temporary Redirect", ("Location: http://169.254.169.254/latest/meta-data", JSON)),
    "partial": ("206 Partial Content", (JSON,)),
    "encoded": ("200 OK", (JSON, "Content-Encoding: br")),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
async def test_only_a_plain_answer_of_json_counts(
    library: Library, answer: tuple[str, tuple[str, ...]]
) -> None:
    status, headers = answer
    library.publisher.publishes(DOCUMENT, *headers, status=status)
    await library.refused()
    assert len(library.publisher.asked) == 1  # nowhere is followed


async def test_a_document_that_is_too_large_is_refused_packed_or_not(library: Library) -> None:
    library.publisher.publishes({**DOCUMENT, "x": "x" * 20_000})
    await library.refused()
    library.clock.advance(FAILURE_KEPT)
    library.publisher.publishes(bomb(1), JSON, "Content-Encoding: gzip")
    await library.refused()


async def test_a_publisher_that_hangs_up_is_down_for_a_minute(library: Library) -> None:
    library.publisher.answer = None
    assert "cannot be fetched" in await library.refused()
    library.publisher.publishes(DOCUMENT)
    assert "cannot be fetched" in await library.refused()
    library.clock.advance(FAILURE_KEPT)
    assert (await library.documents.client(URL)).id == URL


NEVER_FETCHED = [
    "https://client.example",
    "https://client.example/",
    "https://client.example/?x=/metadata.json",
    "https://client.example/a/../metadata.json",
    "https://client.example/a/%2e%2e/metadata.json",
    "https://client.example/metadata.json#x",
    "https://ana@client.example/metadata.json",
    "https://client.example./metadata.json",
    "https://client.example\\@evil.example/x",
    "https://127.0.0.1/metadata.json",
    "https://[::1]/metadata.json",
    "https://2130706433/metadata.json",
    "https://0x7f000001/x",
    "https://127.1/x",
    "https://169.254.169.254/latest/meta-data",
    "https://client.example/" + "x" * 500,
    "https://private.example/metadata.json",
    "https:///metadata.json",
    "https://",
]


@pytest.mark.parametrize("url", NEVER_FETCHED)
async def test_an_id_that_is_no_plain_address_is_never_fetched(library: Library, url: str) -> None:
    await library.refused(url)
    assert library.publisher.asked == []


@pytest.mark.parametrize("url", ["https://localhost/metadata.json", "https://nowhere.invalid/metadata.json"])
async def test_nothing_is_fetched_from_this_machine_or_from_nowhere(library: Library, url: str) -> None:
    assert "cannot be fetched" in await library.refused(url)


KEPT = {
    "": USUALLY_KEPT,
    "Cache-Control: max-age=600": 600 * SECOND,
    'Cache-Control: private, max-age="7200"': 7200 * SECOND,
    "Cache-Control: max-age=0": SHORTEST_KEPT,
    "Cache-Control: no-store": USUALLY_KEPT,
    "Cache-Control: max-age=99999999": LONGEST_KEPT,
    "Cache-Control: max-age=-5": USUALLY_KEPT,
    "Cache-Control: x-max-age=5": USUALLY_KEPT,
}


@pytest.mark.parametrize(("header", "lasts"), KEPT.items(), ids=list(KEPT))
async def test_a_document_is_good_for_as_long_as_it_says_within_bounds(
    library: Library, header: str, lasts: int
) -> None:
    assert LONGEST_KEPT == DAY
    library.publisher.publishes(DOCUMENT, *filter(None, [JSON, header]))
    await library.documents.client(URL)
    library.clock.advance(lasts - 1)
    await library.documents.client(URL)
    assert len(library.publisher.asked) == 1
    library.clock.advance(1)
    await library.documents.client(URL)
    assert len(library.publisher.asked) == 2


async def test_a_known_client_is_known_where_its_document_cannot_be_fetched(library: Library) -> None:
    library.publisher.answer = None
    client = await library.documents.client(CLAUDE)
    assert client == known_clients()[CLAUDE]
    assert client.name == "Claude Code"
    assert client.metadata["redirect_uris"] == ["http://localhost/callback", "http://127.0.0.1/callback"]
    library.publisher.publishes(DOCUMENT, status="503 Service Unavailable")
    library.clock.advance(FAILURE_KEPT)
    assert (await library.documents.client(CLAUDE)).name == "Claude Code"


async def test_what_a_known_client_publishes_now_is_what_counts(library: Library) -> None:
    library.publisher.publishes({**DOCUMENT, "client_id": CLAUDE, "redirect_uris": ["http://localhost/new"]})
    assert (await library.documents.client(CLAUDE)).metadata["redirect_uris"] == ["http://localhost/new"]
    library.publisher.publishes({}, status="404 Not Found")
    library.clock.advance(DAY)
    await library.refused(CLAUDE)  # it was taken back


async def test_strangers_cannot_make_us_fetch_without_end(library: Library) -> None:
    library.publisher.publishes({}, status="404 Not Found")
    for number in range(100):
        await library.refused(f"{ORIGIN}/{number}")
    assert len(library.publisher.asked) == 60
    library.clock.advance(MINUTE)
    await library.refused(f"{ORIGIN}/again")
    assert len(library.publisher.asked) == 61


async def test_few_are_fetched_at_once(library: Library) -> None:
    publisher, others = library.publisher, [f"{ORIGIN}/{number}" for number in range(25)]
    publisher.hold = anyio.Event()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for url in others:
                tasks.start_soon(library.refused, url)
            await publisher.busy.wait()
            publisher.hold.set()
    assert len(publisher.asked) == 20


async def test_the_list_of_what_was_fetched_does_not_grow_without_end(library: Library) -> None:
    for number in range(1_100):
        await library.refused(f"https://127.0.0.1/{number}")
    assert len(library.documents._kept) == 1_000


def test_every_known_client_could_have_come_by_its_document() -> None:
    for url, client in known_clients().items():
        assert url == client.id
        assert client.kind is Kind.DOCUMENT
        assert client.metadata["token_endpoint_auth_method"] == "none"
