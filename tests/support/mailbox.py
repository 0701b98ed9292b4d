"""A mail server on loopback that keeps what it takes; with TLS, nothing before STARTTLS and a login."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

NAME, PASSWORD = "valetkey", "mail-s3cret"


@dataclass(slots=True)
class Mailbox:
    """What was taken, and whether over TLS. `refuses` is what each recipient is answered instead."""

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuses: str | None = None

    def to(self, address: str) -> list[EmailMessage]:
        """What came for an address, oldest first."""
        return [message for to, message in self.taken if to == address]

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.encrypted.append(session.ssl is not None)
        self.taken += [(to, message) for to in envelope.rcpt_tos]
        return "250 taken"


@asynccontextmanager
async def mailbox(tls: ssl.SSLContext | None = None) -> AsyncIterator[Mailbox]:
    """Listen on a port of its own while the block runs."""
    box = Mailbox()

    def serve() -> SMTP:
        strict = tls is not None
        return SMTP(
            box,
            hostname="localhost",
            tls_context=tls,
            require_starttls=strict,
            auth_required=strict,
            authenticator=_authenticated,
        )

    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box


def _authenticated(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    given = (data.login, data.password) if isinstance(data, LoginPassword) else ()
    right = given == (NAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)
