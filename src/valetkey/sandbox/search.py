"""Gmail's search language, the part agents use: operators, quoted phrases, negation, free words. No HTTP."""

import re
from collections.abc import Callable

from valetkey.sandbox.mailbox import Mail

TERM = re.compile(
    r'(?P<not>-)?(?:(?P<operator>[a-z]+):)?(?:"(?P<phrase>[^"]*)"?|(?P<word>\S+))', re.IGNORECASE
)

PLACES = {"inbox": "INBOX", "sent": "SENT", "trash": "TRASH", "spam": "SPAM", "drafts": "DRAFT"}

Test = Callable[[Mail, str], bool]


def matches(mail: Mail, query: str) -> bool:
    """Whether a message fits every term of the query."""
    return all(_fits(mail, term) for term in TERM.finditer(query))


def _fits(mail: Mail, term: re.Match[str]) -> bool:
    value = (term["phrase"] if term["phrase"] is not None else term["word"]).lower()
    operator = (term["operator"] or "").lower()
    if operator and operator not in OPERATORS:
        operator, value = "", f"{operator}:{value}"
    return OPERATORS[operator](mail, value) is not bool(term["not"])


def _header(name: str) -> Test:
    return lambda mail, value: value in mail.header(name).lower()


def _is(mail: Mail, value: str) -> bool:
    if value == "read":
        return "UNREAD" not in mail.labels
    return value.upper() in mail.labels


def _in(mail: Mail, value: str) -> bool:
    return value == "anywhere" or PLACES.get(value, value.upper()) in mail.labels


def _anywhere(mail: Mail, value: str) -> bool:
    text = " ".join((mail.header("From"), mail.header("To"), mail.header("Subject"), mail.text))
    return value in text.lower()


OPERATORS: dict[str, Test] = {
    "": _anywhere,
    "from": _header("From"),
    "to": _header("To"),
    "subject": _header("Subject"),
    "is": _is,
    "in": _in,
    "label": _in,
}
