"""What a hostile upstream can do to a call: one error each, in time, in bounds, nothing else disturbed."""

import tracemalloc

import anyio
import pytest

from tests.egress.conftest import API, ELSEWHERE, Send
from tests.egress.hostile import Hostile, answer
from valetkey.egress import Egress, Limits, Outgoing
from valetkey.errors import EgressAnswerLost, EgressBadAnswer, EgressError, EgressUnreachable

MIB = 1024 * 1024

UNWANTED = [
    *(f"redirect-{status}" for status in (300, 301, 302, 303, 307, 308)),
    *("bomb", "double-bomb", "brotli", "zstd", "deflate", "two-encodings"),
    *("not-gzip", "cut-gzip", "gzip-and-more", "too-large"),
]
MISFRAMED = [
    *("two-lengths", "same-length-twice", "length-and-chunked", "chunked-and-length", "chunked-twice"),
    *("chunked-gzip", "not-quite-chunked", "bad-chunk", "bad-second-chunk", "endless-chunk", "many-trailers"),
    *("negative-length", "length-with-plus", "garbage", "another-protocol", "switching", "status-99"),
    *("huge-header", "many-headers", "nul-in-header", "escape-in-header", "space-in-name", "body-on-204"),
    *("endless", "endless-to-close", "endless-head"),
]
LOST = [
    *("hang", "drip-body", "drip-head", "short", "short-chunk", "short-head"),
    *("silent-close", "reset", "reset-in-body"),
]
FINE = ["fine", "gzip", "identity", "early-hints", "latin", "set-cookie", "surplus"]

EXPECTED = [
    *((attack, EgressBadAnswer) for attack in UNWANTED + MISFRAMED),
    *((attack, EgressAnswerLost) for attack in LOST),
]


@pytest.mark.parametrize(("attack", "error"), EXPECTED)
async def test_a_hostile_answer_is_one_error_in_time_and_the_next_call_is_its_own(
    send: Send, upstream: Hostile, elsewhere: Hostile, attack: str, error: type[EgressError]
) -> None:
    with anyio.fail_after(12):
        with pytest.raises(EgressError) as caught:
            await send(f"/{attack}")
        assert (await send("/fine")).body == b"mine"
    assert caught.type is error
    assert len(upstream.requests) == 2  # sent once, never again by itself
    assert elsewhere.connections == 0


@pytest.mark.parametrize("attack", MISFRAMED)
async def test_a_connection_whose_answer_was_malformed_is_not_used_again(
    send: Send, upstream: Hostile, attack: str
) -> None:
    with anyio.fail_after(12):
        with pytest.raises(EgressBadAnswer):
            await send(f"/{attack}")
        await send("/fine")
    assert upstream.connections == 2


async def test_a_connection_whose_answer_was_whole_is_used_again(send: Send, upstream: Hostile) -> None:
    await send("/fine")
    await send("/fine")
    assert upstream.connections == 1


@pytest.mark.parametrize("attack", FINE)
async def test_an_odd_but_honest_answer_is_taken(send: Send, attack: str) -> None:
    with anyio.fail_after(2):
        assert (await send(f"/{attack}")).body == b"mine"
        assert (await send("/fine")).body == b"mine"


async def test_html_comes_back_as_it_was_declared(send: Send) -> None:
    reply = await send("/html")
    assert (reply.headers["content-type"], reply.body) == ("text/html", b"<script>")


async def test_not_modified_is_an_answer_though_it_names_a_location(send: Send) -> None:
    assert (await send("/not-modified")).status == 304


async def test_header_bytes_beyond_ascii_come_back_as_latin_1(send: Send) -> None:
    assert (await send("/latin")).headers["x-name"] == "café"


async def test_an_answer_nobody_asked_for_does_not_become_the_next_persons(
    send: Send, egress: Egress, upstream: Hostile
) -> None:
    with anyio.fail_after(2):
        await send("/fine")
        upstream.speak(answer(b"EVIL"))
        # A whole trip elsewhere: by its end the loop has read what lay ready on the idle connection.
        await egress.send(Outgoing("GET", ELSEWHERE), origins=frozenset({ELSEWHERE}))
        assert (await send("/fine")).body == b"mine"
    assert upstream.connections == 2


async def test_where_every_idle_connection_was_spoken_on_nothing_is_sent(
    send: Send, egress: Egress, upstream: Hostile
) -> None:
    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(send, "/fine")
        for number in range(2):
            upstream.speak(answer(b"EVIL"), number)
        await egress.send(Outgoing("GET", ELSEWHERE), origins=frozenset({ELSEWHERE}))
        with pytest.raises(EgressUnreachable, match="spoke before it was asked"):
            await send("/fine")
        assert (await send("/fine")).body == b"mine"
    assert (upstream.connections, len(upstream.requests)) == (3, 3)


@pytest.mark.parametrize(
    "attack", ["bomb", "double-bomb", "endless", "endless-to-close", "endless-head", "hang"]
)
async def test_memory_stays_bounded_whatever_the_answer_unpacks_to(send: Send, attack: str) -> None:
    tracemalloc.start()
    try:
        with anyio.fail_after(12), pytest.raises(EgressError):
            await send(f"/{attack}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


async def test_calls_go_on_beside_fifty_that_hang(send: Send, egress: Egress, upstream: Hostile) -> None:
    async def hang(attack: str) -> None:
        await egress.send(Outgoing("POST", API + attack), origins=frozenset({API}), limits=Limits(30))

    async with anyio.create_task_group() as tasks:
        for _ in range(25):
            tasks.start_soon(hang, "/hang")
            tasks.start_soon(hang, "/drip-head")
        with anyio.fail_after(5):
            await upstream.heard_at_least(50)
            for _ in range(100):
                assert (await send("/fine")).body == b"mine"
        tasks.cancel_scope.cancel()


async def test_the_time_allowed_includes_waiting_for_a_connection(egress: Egress, upstream: Hostile) -> None:
    async def hang() -> None:
        await egress.send(Outgoing("GET", f"{API}/hang"), origins=frozenset({API}), limits=Limits(30))

    async with anyio.create_task_group() as tasks:
        for _ in range(128):
            tasks.start_soon(hang)
        with anyio.fail_after(5):
            await upstream.heard_at_least(128)
            with pytest.raises(EgressUnreachable, match="within the time"):
                await egress.send(Outgoing("GET", API), origins=frozenset({API}), limits=Limits(0.1))
        tasks.cancel_scope.cancel()
    assert len(upstream.requests) == 128


async def test_a_body_of_exactly_the_limit_is_taken_and_one_more_byte_is_not(egress: Egress) -> None:
    request = Outgoing("GET", f"{API}/gzip")
    assert (await egress.send(request, origins=frozenset({API}), limits=Limits(1, 4))).body == b"mine"
    with pytest.raises(EgressBadAnswer, match="more than 3 bytes"):
        await egress.send(request, origins=frozenset({API}), limits=Limits(1, 3))


async def test_a_safe_method_may_be_repeated_once_and_put_and_delete_never(
    egress: Egress, upstream: Hostile
) -> None:
    seen = {}
    for method in ("GET", "PUT", "DELETE", "POST", "PATCH"):
        upstream.requests.clear()
        with pytest.raises(EgressAnswerLost):
            await egress.send(Outgoing(method, f"{API}/reset"), origins=frozenset({API}), limits=Limits(1))
        seen[method] = len(upstream.requests)
    assert seen == {"GET": 2, "PUT": 1, "DELETE": 1, "POST": 1, "PATCH": 1}


async def test_a_cancelled_call_hangs_up(egress: Egress, upstream: Hostile) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: egress.send(Outgoing("GET", f"{API}/drip-body"), origins=frozenset({API})))
        with anyio.fail_after(2):
            await upstream.heard_at_least(1)
        tasks.cancel_scope.cancel()
    with anyio.fail_after(2):
        while upstream.left == 0:
            await anyio.lowlevel.checkpoint()
