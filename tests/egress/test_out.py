"""The way out as its callers know it: credentials, one renewal, and errors that say only what they may."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.egress.conftest import API, ELSEWHERE
from tests.egress.hostile import Hostile
from valetkey.egress import Credential, Egress, Incoming, Limits, Outgoing, Rules
from valetkey.errors import EgressAnswerLost, EgressBadAnswer, EgressError, EgressRefused, EgressUnreachable
from valetkey.model import Secret

ORIGINS = frozenset({API})


def token(version: int) -> Credential:
    return Credential({"Authorization": Secret(f"Bearer token-{version}")}, ORIGINS, version)


@dataclass
class Tokens:
    """A token set whose renewals are listed beforehand."""

    renewals: Iterator[Credential | None]
    refused: list[int] = field(default_factory=list)

    async def current(self) -> Credential:
        return token(1)

    async def renewed(self, refused: Credential) -> Credential | None:
        self.refused.append(refused.version)
        return next(self.renewals)


def tokens(*renewals: Credential | None) -> Tokens:
    return Tokens(iter(renewals))


def bearers(upstream: Hostile) -> list[bytes]:
    return [request.split(b"Bearer ")[1].split(b"\r\n")[0] for request in upstream.requests]


async def test_a_good_answer_renews_nothing(egress: Egress, upstream: Hostile) -> None:
    source = tokens()
    assert (await egress.to(ORIGINS, source).send(Outgoing("GET", f"{API}/fine"))).body == b"mine"
    assert (bearers(upstream), source.refused) == ([b"token-1"], [])


async def test_a_refused_credential_is_renewed_once_and_the_request_replayed_once(
    egress: Egress, upstream: Hostile
) -> None:
    source = tokens(token(2), token(3))
    request = Outgoing("POST", f"{API}/unauthorized", (("Content-Type", "text/plain"),), b"body")
    assert (await egress.to(ORIGINS, source).send(request)).status == 401
    assert (bearers(upstream), source.refused) == ([b"token-1", b"token-2"], [1])
    assert all(received.endswith(b"\r\n\r\nbody") for received in upstream.requests)


@pytest.mark.parametrize("renewal", [None, token(1), token(0)], ids=["none", "the same", "an older one"])
async def test_without_a_newer_credential_nothing_is_replayed(
    egress: Egress, upstream: Hostile, renewal: Credential | None
) -> None:
    reply = await egress.to(ORIGINS, tokens(renewal)).send(Outgoing("GET", f"{API}/unauthorized"))
    assert (reply.status, bearers(upstream)) == (401, [b"token-1"])


async def test_what_counts_as_expired_is_the_callers_to_say(egress: Egress, upstream: Hostile) -> None:
    def says_mine(reply: Incoming) -> bool:
        return reply.body == b"mine"

    upstream_of = egress.to(ORIGINS, tokens(token(2)))
    await upstream_of.send(Outgoing("GET", f"{API}/fine"), expired=says_mine)
    assert bearers(upstream) == [b"token-1", b"token-2"]


async def test_a_renewed_credential_is_held_to_its_own_origins(egress: Egress, upstream: Hostile) -> None:
    moved = Credential({"Authorization": Secret("Bearer token-2")}, frozenset({ELSEWHERE}), 2)
    with pytest.raises(EgressRefused):
        await egress.to(ORIGINS, tokens(moved)).send(Outgoing("GET", f"{API}/unauthorized"))
    assert bearers(upstream) == [b"token-1"]


async def test_an_upstream_is_bound_to_its_origins(egress: Egress, elsewhere: Hostile) -> None:
    with pytest.raises(EgressRefused):
        await egress.to(ORIGINS, tokens()).send(Outgoing("GET", f"{ELSEWHERE}/fine"))
    assert elsewhere.connections == 0


async def test_without_a_credential_none_is_sent(egress: Egress, upstream: Hostile) -> None:
    await egress.send(Outgoing("POST", f"{API}/token", body=b"grant_type=x"), origins=ORIGINS)
    assert b"authorization" not in upstream.requests[0].lower()


async def test_a_cookie_that_is_set_comes_back_to_nobody(egress: Egress, upstream: Hostile) -> None:
    reply = await egress.send(Outgoing("GET", f"{API}/set-cookie"), origins=ORIGINS)
    await egress.send(Outgoing("GET", f"{API}/fine"), origins=ORIGINS)
    assert "set-cookie" not in reply.headers
    assert b"cookie" not in upstream.requests[1].lower()


FAULTS = [
    ("/fine#secret-query", EgressRefused),
    ("/redirect-302?secret-query", EgressBadAnswer),
    ("/garbage?secret-query", EgressBadAnswer),
    ("/not-gzip?secret-query", EgressBadAnswer),
    ("/reset?secret-query", EgressAnswerLost),
    ("/hang?secret-query", EgressAnswerLost),
    ("/short?secret-query", EgressAnswerLost),
]


@pytest.mark.parametrize(("path", "kind"), FAULTS)
async def test_an_error_says_where_and_why_and_carries_nothing_else_along(
    egress: Egress, path: str, kind: type[EgressError]
) -> None:
    secret = Credential({"Authorization": Secret("secret-token")}, ORIGINS, 1)
    request = Outgoing("POST", API + path, (("X-Query", "secret-header"),), b"secret-body")
    with pytest.raises(EgressError) as caught:
        await egress.send(request, origins=ORIGINS, limits=Limits(0.2), credential=secret)
    assert caught.type is kind
    assert "secret" not in f"{caught.value} {caught.value!r} {caught.value.args}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_an_upstream_that_is_not_there_is_unreachable_and_nothing_was_sent(upstream: Hostile) -> None:
    rules = Rules(hosts={API: "http://127.0.0.1:1"})
    async with Egress(rules) as egress:
        with pytest.raises(EgressUnreachable) as caught:
            await egress.send(Outgoing("POST", f"{API}/x?secret"), origins=ORIGINS)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_what_goes_in_and_out_shows_no_secret_when_printed() -> None:
    request = Outgoing("GET", "https://api.example/?code=secret", (("X", "secret"),), b"secret")
    reply = Incoming(200, {"x": "secret"}, b"secret")
    assert "secret" not in f"{request} {reply} {token(1)}".replace("Secret", "")


@pytest.mark.parametrize("before", [logging.NOTSET, logging.DEBUG, logging.INFO])
def test_libraries_that_would_log_urls_are_quieted(before: int) -> None:
    names = ["httpx2", "httpcore2", "httpx", "httpcore", "aiohttp.client", "asyncio"]
    for name in names:
        logging.getLogger(name).setLevel(before)
    Egress(Rules())
    assert {logging.getLogger(name).level for name in names} == {logging.WARNING}


def test_a_library_that_is_quieter_already_stays_so() -> None:
    logging.getLogger("httpx2").setLevel(logging.ERROR)
    Egress(Rules())
    assert logging.getLogger("httpx2").level == logging.ERROR


async def test_nothing_of_a_call_is_logged(egress: Egress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await egress.send(Outgoing("GET", f"{API}/fine?secret"), origins=ORIGINS)
    with pytest.raises(EgressError):
        await egress.send(Outgoing("GET", f"{API}/garbage?secret"), origins=ORIGINS)
    assert "secret" not in caplog.text


async def test_an_egress_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await Egress(Rules()).send(Outgoing("GET", API), origins=ORIGINS)
