"""Mail itself: mailboxes, delivery between the sandbox's people, and Gmail's view of a message. No HTTP."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.utils import format_datetime, getaddresses

from valetkey.model import HOUR, Clock, Json
from valetkey.sandbox.letters import LETTERS, Letter
from valetkey.sandbox.people import BY_EMAIL, PEOPLE, find_person

LABELS = ("INBOX", "SENT", "DRAFT", "TRASH", "SPAM", "UNREAD", "STARRED", "IMPORTANT")
"""Gmail's own labels; the sandbox's people have made none."""


@dataclass(slots=True)
class Mail:
    """A message in one person's mailbox. `date` is epoch milliseconds."""

    id: str
    thread: str
    labels: set[str]
    message: EmailMessage
    text: str
    date: int

    @property
    def snippet(self) -> str:
        return " ".join(self.text.split())[:120]

    def header(self, name: str) -> str:
        return str(self.message.get(name, ""))


class Mailboxes:
    """Everybody's mail, newest first in each mailbox."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boxes: dict[str, list[Mail]] = {}
        self._numbers: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Put back the letters everyone starts with."""
        self._boxes = {person.email: [] for person in PEOPLE}
        self._numbers = dict.fromkeys(self._boxes, 0)
        now = self._clock.now()
        for account, letters in LETTERS.items():
            for letter in sorted(letters, key=lambda letter: -letter.hours):
                date = now - int(letter.hours * HOUR)
                self._store(account, _written(letter, account, date), letter.labels, date)

    def open(self, account: str) -> None:
        """Give somebody new an empty mailbox."""
        self._boxes[account], self._numbers[account] = [], 0

    def of(self, account: str) -> list[Mail]:
        """Return one person's mail, newest first."""
        return self._boxes[account]

    def find(self, account: str, id: str) -> Mail | None:  # noqa: A002 - Gmail's own word
        return next((mail for mail in self._boxes[account] if mail.id == id), None)

    def send(self, account: str, raw: bytes, thread: str | None = None) -> Mail:
        """Send as `account`: into its SENT, and into the inbox of each recipient who lives here.

        Raises ValueError when there is nobody to send it to, LookupError for a charset nobody knows.
        """
        message = message_from_bytes(raw, policy=policy.default)
        recipients = _recipients(message)
        if not recipients:
            raise ValueError("Recipient address required")
        self._stamp(message, account)
        now = self._clock.now()
        sent = self._store(account, message, ("SENT",), now, thread)
        for person in filter(None, map(find_person, recipients)):
            self._store(person.email, message, ("INBOX", "UNREAD"), now)
        return sent

    def draft(self, account: str, raw: bytes) -> Mail:
        """Keep a message that is not sent. Raises LookupError for a charset nobody knows."""
        message = message_from_bytes(raw, policy=policy.default)
        self._stamp(message, account)
        return self._store(account, message, ("DRAFT",), self._clock.now())

    def _stamp(self, message: EmailMessage, account: str) -> None:
        del message["From"], message["Bcc"]  # whatever the agent wrote, mail comes from its account
        message["From"] = f"{BY_EMAIL[account].name} <{account}>"
        if "Date" not in message:
            message["Date"] = _date(self._clock.now())

    def _store(
        self, account: str, message: EmailMessage, labels: Iterable[str], date: int, thread: str | None = None
    ) -> Mail:
        text = _text(message)
        self._numbers[account] += 1
        owner = list(self._boxes).index(account) + 0xA
        id_ = f"18{owner:x}{self._numbers[account]:013x}"
        mail = Mail(id_, thread or id_, set(labels), message, text, date)
        self._boxes[account].insert(0, mail)
        return mail


def _written(letter: Letter, account: str, date: int) -> EmailMessage:
    message = EmailMessage(policy=policy.default)
    message["From"], message["To"], message["Subject"] = letter.sender, account, letter.subject
    message["Date"], message["Message-ID"] = _date(date), f"<{date}.{account}>"
    message.set_content(letter.text)
    return message


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    return "" if body is None else str(body.get_content())


def _date(milliseconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _recipients(message: EmailMessage) -> list[str]:
    fields = [str(value) for name in ("To", "Cc", "Bcc") for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(fields) if "@" in address]


def full(mail: Mail) -> Json:
    """A message as Gmail's `format=full` has it."""
    return {**minimal(mail), "payload": _part(mail.message, "")}


def metadata(mail: Mail, names: Iterable[str]) -> Json:
    """A message as `format=metadata` has it: only these headers, or all when none is named."""
    wanted = {name.lower() for name in names}
    headers = [header for header in _headers(mail.message) if not wanted or header["name"].lower() in wanted]
    return {**minimal(mail), "payload": {"mimeType": mail.message.get_content_type(), "headers": headers}}


def minimal(mail: Mail) -> Json:
    """A message as `format=minimal` has it."""
    return {
        "id": mail.id,
        "threadId": mail.thread,
        "labelIds": sorted(mail.labels),
        "snippet": mail.snippet,
        "historyId": str(mail.date // 1000),
        "internalDate": str(mail.date),
        "sizeEstimate": len(mail.message.as_bytes()),
    }


def raw(mail: Mail) -> Json:
    """A message as `format=raw` has it."""
    return {**minimal(mail), "raw": _encoded(mail.message.as_bytes())}


def _part(message: MIMEPart, number: str) -> Json:
    part: Json = {
        "partId": number,
        "mimeType": message.get_content_type(),
        "filename": message.get_filename() or "",
        "headers": _headers(message),
    }
    if message.is_multipart():
        prefix = f"{number}." if number else ""
        part["body"] = {"size": 0}
        part["parts"] = [_part(child, f"{prefix}{i}") for i, child in enumerate(message.iter_parts())]
        return part
    content = message.get_payload(decode=True)
    content = content if isinstance(content, bytes) else b""
    part["body"] = {"size": len(content), "data": _encoded(content)}
    return part


def _headers(message: MIMEPart) -> list[dict[str, str]]:
    return [{"name": name, "value": str(value)} for name, value in message.items()]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
