"""Mail: over TLS and with the right password or not at all, within a deadline, and one header is one line."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.egress.certificates import Authority, authority
from tests.support.mailbox import NAME, PASSWORD, Mailbox, mailbox
from valetkey.egress import Egress, Mail, MailServer, Rules
from valetkey.egress import mail as mail_module
from valetkey.errors import EgressAnswerLost, EgressBadAnswer, EgressError, EgressRefused, EgressUnreachable
from valetkey.model import Secret

LETTER = Mail("let_1", "valetkey@example.com", "ana@example.com", "One thing needs you", "Grüße\n", 1_000)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of a server: STARTTLS is upgraded by it."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def trusted(tmp_path: Path) -> Authority:
    return authority(tmp_path)


@pytest.fixture
async def box(trusted: Authority) -> AsyncIterator[Mailbox]:
    async with mailbox(trusted.server("localhost")) as opened:
        yield opened


@pytest.fixture
async def egress(trusted: Authority) -> AsyncIterator[Egress]:
    async with Egress(Rules(ca_bundle=trusted.bundle)) as way_out:
        yield way_out


def server(box: Mailbox, host: str = "localhost", password: str = PASSWORD) -> MailServer:
    return MailServer(host, box.port, "starttls", NAME, Secret(password))


async def test_a_message_is_taken_over_tls_with_our_name(egress: Egress, box: Mailbox) -> None:
    await egress.mail(server(box), LETTER)
    (message,) = box.to("ana@example.com")
    assert box.encrypted == [True]
    assert (message["From"], message["Subject"]) == ("valetkey@example.com", "One thing needs you")
    assert message["Message-ID"] == "<let_1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Thu, 01 Jan 1970 00:00:01 +0000"
    assert message.get_content().splitlines() == ["Grüße"]


async def test_a_wrong_password_sends_nothing_and_is_not_repeated(egress: Egress, box: Mailbox) -> None:
    with pytest.raises(EgressBadAnswer, match="does not take our name") as refused:
        await egress.mail(server(box, password="wr0ng"), LETTER)
    assert refused.value.__context__ is None
    assert "wr0ng" not in str(refused.value)
    assert box.taken == []


async def test_a_certificate_for_another_name_sends_nothing(egress: Egress, box: Mailbox) -> None:
    with pytest.raises(EgressUnreachable):
        await egress.mail(server(box, host="127.0.0.1"), LETTER)
    assert box.taken == []


async def test_a_server_without_tls_gets_neither_password_nor_message(egress: Egress) -> None:
    """Somebody in between who takes STARTTLS out of the server's answer learns nothing."""
    async with mailbox() as plain:
        with pytest.raises(EgressUnreachable):
            await egress.mail(server(plain), LETTER)
        assert plain.taken == []


async def test_a_recipient_that_is_refused_is_told_by_its_code_alone(egress: Egress, box: Mailbox) -> None:
    box.refuses = "550 ana@example.com is on holiday"
    told: list[EgressError] = []
    egress.failed = told.append
    with pytest.raises(EgressBadAnswer, match=r"\(550\)") as refused:
        await egress.mail(server(box), LETTER)
    assert "ana" not in str(refused.value)
    assert told == [refused.value]


async def test_nobody_there_is_not_sent(egress: Egress, box: Mailbox) -> None:
    gone = MailServer("localhost", 9, "none")
    with pytest.raises(EgressUnreachable):
        await egress.mail(gone, LETTER)


@pytest.mark.parametrize("field", ["to", "subject", "sender"])
async def test_a_header_holds_one_line(egress: Egress, box: Mailbox, field: str) -> None:
    values = {"sender": "a@b.c", "to": "a@b.c", "subject": "s", field: "a@b.c\r\nBcc: all@example.com"}
    with pytest.raises(EgressRefused):
        await egress.mail(server(box), Mail("let_1", text="", at=0, **values))
    assert box.taken == []


async def test_a_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_module, "SECONDS", 0.3)
    done = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 localhost ESMTP\r\n")
        await done.wait()
        writer.close()

    listening = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with listening, Egress(Rules()) as egress:
        port = listening.sockets[0].getsockname()[1]
        with anyio.fail_after(10), pytest.raises((EgressUnreachable, EgressAnswerLost)):
            await egress.mail(MailServer("127.0.0.1", port, "none"), LETTER)
        done.set()


async def test_tls_from_the_start_is_spoken_too(trusted: Authority, egress: Egress) -> None:
    context: ssl.SSLContext = trusted.server("localhost")
    seen = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set()
        writer.write(b"554 not today\r\n")
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(EgressBadAnswer, match="554"):
            await egress.mail(MailServer("localhost", port, "tls"), LETTER)
    assert seen.is_set()
