"""Mail, out through one server that the operator named: over TLS, within a deadline, one message at a time.

What it says, and to whom, is decided above. No error repeats an address or what the server said.
"""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

import aiosmtplib
import anyio

from valetkey.errors import EgressAnswerLost, EgressBadAnswer, EgressError, EgressRefused, EgressUnreachable
from valetkey.model import SECOND, Secret

SECONDS = 20
"""Longest that one message may take, from the connection to the server's last word."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """The operator's mail server. Its name comes from the settings alone, so its address is not checked."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A message in plain text. `id` is the same however often it is sent; `at` is epoch milliseconds."""

    id: str
    sender: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    at: int = 0


async def send_mail(server: MailServer, mail: Mail, tls: ssl.SSLContext) -> None:
    """Hand one message to the server, which has taken it when this returns.

    Raises EgressRefused (not a message that may be sent), EgressUnreachable (not sent), EgressBadAnswer (the
    server does not take it), EgressAnswerLost (it may have).
    """
    message = _message(mail)
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",  # required, not tried: nobody in between can take it out
        username=server.username,
        password=server.password.reveal() if server.password else None,
        tls_context=tls,
        timeout=SECONDS,
    )
    sent = taken = False
    try:
        with anyio.fail_after(SECONDS):
            async with client:
                sent = True
                await client.send_message(message)
                taken = True
    except (aiosmtplib.SMTPException, OSError) as fault:  # which TimeoutError and ssl.SSLError are
        error = _said_plainly(fault, sent=sent)
    if not taken:  # a goodbye that went wrong takes nothing back
        raise error  # out here, without the library's error, which holds the address, as its context


def _message(mail: Mail) -> EmailMessage:
    """Raises EgressRefused for a header that would hold more than one line."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"], message["To"], message["Subject"] = mail.sender, mail.to, mail.subject
    except ValueError:
        raise EgressRefused("a header of a mail held what no header may hold") from None
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.at / SECOND, UTC))
    message["Message-ID"] = f"<{mail.id}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
    message.set_content(mail.text)
    return message


def _said_plainly(fault: Exception, *, sent: bool) -> EgressError:
    match fault:
        case aiosmtplib.SMTPAuthenticationError():
            return EgressBadAnswer("the mail server does not take our name and password")
        case aiosmtplib.SMTPRecipientsRefused():
            return EgressBadAnswer(f"the mail server does not take mail for this address ({_code(fault)})")
        case aiosmtplib.SMTPResponseException(code=code):
            return EgressBadAnswer(f"the mail server said no ({code})")
        case ssl.SSLError():
            return EgressUnreachable("the mail server's certificate is not trusted for its name")
        case _ if sent:
            return EgressAnswerLost("the mail server did not say whether it took the message")
        case _:
            return EgressUnreachable(
                f"the mail server could not be reached, or offers no TLS ({_kind(fault)})"
            )


def _code(fault: aiosmtplib.SMTPRecipientsRefused) -> int:
    return fault.recipients[0].code


def _kind(fault: Exception) -> str:
    return type(fault).__name__
