"""Whom a connection is made to: the checked address, the right certificate, nobody the environment names."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.egress.certificates import Authority, authority, self_signed
from tests.egress.hostile import FINE, Hostile, hostile
from valetkey.egress import Egress, Limits, Outgoing, Rules
from valetkey.egress.addresses import Lookup
from valetkey.errors import EgressAnswerLost, EgressError, EgressRefused, EgressUnreachable

NAME = "git.corp.example"


@pytest.fixture
def corp(tmp_path: Path) -> Authority:
    return authority(tmp_path)


def answers(*replies: list[str]) -> tuple[Lookup, list[str]]:
    """Return a lookup that gives each of `replies` in turn, and the list of names it was asked for."""
    asked: list[str] = []

    async def lookup(host: str, _port: int) -> list[str]:
        asked.append(host)
        return replies[len(asked) - 1]

    return lookup, asked


@asynccontextmanager
async def served(
    tls: ssl.SSLContext, lookup: Lookup, network: str, bundle: Path | None
) -> AsyncIterator["Served"]:
    async with hostile(tls) as server:
        origin = f"https://{NAME}:{server.port}"
        async with Egress(Rules(allow={origin: network}, ca_bundle=bundle), lookup=lookup) as egress:
            yield Served(server, egress, origin)


class Served:
    """A TLS upstream in an allowed network, and the way out to it."""

    def __init__(self, server: Hostile, egress: Egress, origin: str) -> None:
        self.server, self.egress, self.origin = server, egress, origin

    async def get(self, path: str = "/fine") -> bytes:
        request = Outgoing("POST", self.origin + path)
        with anyio.fail_after(3):
            return (await self.egress.send(request, origins=frozenset({self.origin}), limits=Limits(1))).body


async def test_an_allowed_origin_is_reached_in_its_network_with_its_name_kept(corp: Authority) -> None:
    lookup, asked = answers(["127.0.0.1"])
    async with served(corp.server(NAME), lookup, "127.0.0.0/8", corp.bundle) as it:
        assert await it.get() == b"mine"
        assert await it.get() == b"mine"
        assert f"\r\nHost: {NAME}:{it.server.port}\r\n".encode() in it.server.requests[0]
    assert asked == [NAME]  # once per connection, and one connection for both


async def test_an_allowed_origin_outside_its_network_is_refused(corp: Authority) -> None:
    lookup, _ = answers(["127.0.0.1"])
    async with served(corp.server(NAME), lookup, "10.1.2.0/24", corp.bundle) as it:
        with pytest.raises(EgressRefused, match="resolves to an address"):
            await it.get()
    assert it.server.connections == 0


async def test_allowing_one_origin_allows_no_other_at_the_same_address(corp: Authority) -> None:
    lookup, _ = answers(["127.0.0.1"])
    async with served(corp.server(NAME), lookup, "127.0.0.0/8", corp.bundle) as it:
        neighbour = f"https://other.corp.example:{it.server.port}"
        with pytest.raises(EgressRefused, match="resolves to an address"):
            await it.egress.send(Outgoing("GET", neighbour), origins=frozenset({neighbour}))
    assert it.server.connections == 0


async def test_a_name_that_flips_after_the_check_is_not_asked_again(corp: Authority) -> None:
    lookup, asked = answers(["127.0.0.2"], ["127.0.0.1"])
    async with served(corp.server(NAME), lookup, "127.0.0.2/32", corp.bundle) as it:
        with pytest.raises(EgressUnreachable):
            await it.get()  # nobody listens on 127.0.0.2
    assert (asked, it.server.connections) == ([NAME], 0)


async def test_every_new_connection_is_checked_afresh(corp: Authority) -> None:
    lookup, asked = answers(["127.0.0.1"], ["10.9.9.9"])
    async with served(corp.server(NAME), lookup, "127.0.0.0/8", corp.bundle) as it:
        with pytest.raises(EgressAnswerLost):
            await it.get("/short")
        with pytest.raises(EgressRefused, match="resolves to an address"):
            await it.get()
    assert asked == [NAME, NAME]


class _Lying(AbstractResolver):
    """What a resolver would be that checks nothing: the peer check has to stand alone."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}
        ]

    async def close(self) -> None:
        pass


async def test_the_peer_is_checked_again_before_anything_is_said(corp: Authority) -> None:
    lookup, _ = answers()
    async with served(corp.server(NAME), lookup, "127.0.0.2/32", corp.bundle) as it:
        it.egress._open()._session.connector._resolver = _Lying()  # type: ignore[union-attr]  # a white-box fault
        with pytest.raises(EgressRefused, match="is at an address"):
            await it.get()
    assert it.server.requests == []


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown authority", "another authority"])
async def test_a_certificate_of_an_untrusted_authority_is_refused(
    corp: Authority, tmp_path_factory: pytest.TempPathFactory, trusted: bool
) -> None:
    lookup, _ = answers(["127.0.0.1"])
    other = authority(tmp_path_factory.mktemp("other")).bundle if trusted else None
    async with served(corp.server(NAME), lookup, "127.0.0.0/8", other) as it:
        with pytest.raises(EgressUnreachable, match="certificate is not trusted"):
            await it.get()
    assert it.server.requests == []


async def test_a_self_signed_certificate_is_refused(tmp_path: Path) -> None:
    lookup, _ = answers(["127.0.0.1"])
    async with served(self_signed(tmp_path, NAME), lookup, "127.0.0.0/8", None) as it:
        with pytest.raises(EgressUnreachable, match="certificate is not trusted"):
            await it.get()
    assert it.server.requests == []


@pytest.mark.parametrize(("name", "days"), [("evil.example", 1), (NAME, -1)], ids=["another name", "expired"])
async def test_a_certificate_of_another_name_or_time_is_refused(
    corp: Authority, name: str, days: int
) -> None:
    lookup, _ = answers(["127.0.0.1"])
    async with served(corp.server(name, days), lookup, "127.0.0.0/8", corp.bundle) as it:
        with pytest.raises(EgressUnreachable, match="certificate is not trusted"):
            await it.get()
    assert it.server.requests == []


async def test_an_upstream_that_does_not_speak_tls_gets_no_request(upstream: Hostile) -> None:
    lookup, _ = answers(["127.0.0.1"])
    origin = f"https://{NAME}:{upstream.port}"
    async with Egress(Rules(allow={origin: "127.0.0.0/8"}), lookup=lookup) as egress:
        with anyio.fail_after(3), pytest.raises(EgressUnreachable):
            await egress.send(Outgoing("GET", origin), origins=frozenset({origin}), limits=Limits(0.3))
    assert upstream.requests == []


async def test_the_environment_changes_nothing(
    corp: Authority, elsewhere: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.origin)
        monkeypatch.setenv(name.lower(), elsewhere.origin)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {NAME} login planted password planted")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    lookup, _ = answers(["127.0.0.1"])
    async with served(corp.server(NAME), lookup, "127.0.0.0/8", corp.bundle) as it:
        assert await it.get() == b"mine"
        assert b"authorization" not in it.server.requests[0].lower()
    assert elsewhere.connections == 0
    assert not (tmp_path / "keys.log").exists()


async def test_the_environment_names_no_authority(corp: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(corp.bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(corp.folder))
    lookup, _ = answers(["127.0.0.1"])
    async with served(corp.server(NAME), lookup, "127.0.0.0/8", None) as it:
        with pytest.raises(EgressUnreachable, match="certificate is not trusted"):
            await it.get()


@asynccontextmanager
async def proxy(to: int | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that opens a tunnel to a port of 127.0.0.1 whatever name it is asked for, or refuses."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if to is None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", to)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.close()


async def test_a_proxy_sees_the_name_and_nothing_of_the_request(corp: Authority) -> None:
    lookup, asked = answers()
    origin = f"https://{NAME}"
    async with (
        hostile(corp.server(NAME)) as server,
        proxy(server.port) as (address, heads),
        Egress(Rules(proxy=address, ca_bundle=corp.bundle), lookup=lookup) as egress,
    ):
        with anyio.fail_after(3):
            reply = await egress.send(Outgoing("GET", f"{origin}/fine?q"), origins=frozenset({origin}))
    assert FINE.endswith(reply.body)
    assert heads[0].startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n".encode())
    assert b"?q" not in b"".join(heads)
    assert asked == []  # the proxy resolves names


async def test_a_proxy_that_refuses_leaves_the_request_unsent() -> None:
    async with proxy(None) as (address, _), Egress(Rules(proxy=address)) as egress:
        with anyio.fail_after(3), pytest.raises(EgressUnreachable, match="the proxy did not connect it"):
            await egress.send(Outgoing("POST", f"https://{NAME}/"), origins=frozenset({f"https://{NAME}"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "localhost.", "[::1]"])
async def test_a_proxy_is_not_asked_for_addresses(host: str) -> None:
    async with proxy(None) as (address, heads), Egress(Rules(proxy=address)) as egress:
        with pytest.raises(EgressError):
            await egress.send(Outgoing("GET", f"https://{host}/"), origins=frozenset({f"https://{host}"}))
    assert heads == []
