"""`[notify]`, `[operator]` and `[logs]`: who is told what this server notices, and where it can be watched.

No secret stands here: the password for the mail server is sealed by `valetkey notify password`.
"""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from valetkey.settings.values import Table, is_loopback

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=[^@]{1,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9a-fA-F:]+")


def is_address(text: str) -> bool:
    """Whether a text can be an e-mail address; nothing in one that can could end a header or a command."""
    return _ADDRESS.fullmatch(text) is not None


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("has to be an e-mail address such as `ops@example.com`")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("has to be the name of a mail server such as `smtp.example.com`, without a port")
    return text


def _webhook(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("has to be an https URL such as `https://hooks.example.com/valetkey`")
    return text


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host.strip("[]")) or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("has to be an address and a port such as `127.0.0.1:9917`")
    return text


MailAddress = Annotated[str, AfterValidator(_address)]
Host = Annotated[str, AfterValidator(_host)]


class SmtpSettings(Table):
    """`[notify.smtp]`: the mail server that takes our mail, and as whom we write."""

    host: Host
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1, max_length=320)] | None = None
    sender: MailAddress

    @model_validator(mode="after")
    def _never_in_clear(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError('`security = "none"` is for a mail server on this machine alone')
        return self


class WebhookSettings(Table):
    """`[notify.webhook]`: where notices are posted to, and whether people's are carried there, too."""

    url: Annotated[str, AfterValidator(_webhook)] = Field(repr=False)  # may hold a secret of the receiver's
    people: bool = False


class NotifySettings(Table):
    """`[notify]`: the operator's own address, and the ways in which notices leave."""

    operator: MailAddress | None = None
    smtp: SmtpSettings | None = None
    webhook: WebhookSettings | None = None

    @model_validator(mode="after")
    def _can_be_mailed(self) -> Self:
        if self.operator and self.smtp is None:
            raise ValueError("`operator` is told by mail, which takes a table [notify.smtp]")
        return self

    @property
    def ways_to_people(self) -> list[str]:
        """How letters to people can leave, the best way first."""
        carried = self.webhook is not None and self.webhook.people
        return (["mail"] if self.smtp else []) + (["webhook"] if carried else [])

    @property
    def ways_to_operator(self) -> list[str]:
        """How letters to the operator leave: by each of these."""
        return (["mail"] if self.operator else []) + (["webhook"] if self.webhook else [])


class OperatorSettings(Table):
    """`[operator]`: the port that is the operator's alone. Without `listen` there is none."""

    listen: Annotated[str, AfterValidator(_listen)] | None = None
    drain: int = Field(0, ge=0, le=60)


class LogsSettings(Table):
    """`[logs]`: what is written to stderr, and how."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "warning"
