"""What every table of a manifest is made of: strict frozen tables, and the small types of their keys."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from valetkey.manifest import paths, template
from valetkey.manifest.flaws import Flaw
from valetkey.manifest.shape import Expression
from valetkey.model import DAY, HOUR, MINUTE, SECOND


class Table(BaseModel):
    """A table of the file format: frozen, its keys as written there, and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


def only(check: Callable[[str], object]) -> AfterValidator:
    """Return the validator of a string that `check` does not raise Flaw for."""

    def validate(value: str) -> str:
        check(value)
        return value

    return AfterValidator(validate)


def _like(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"(?:[a-z0-9-]+|\{[a-z][a-z0-9_]*\})(?:\.[a-z0-9-]+)+|\{[a-z][a-z0-9_]*\}")
_PATH = re.compile(r"(?:/(?!\.{0,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def is_name(value: str) -> bool:
    """Whether a connector or a tool may have this name."""
    return bool(_NAME.fullmatch(value))


def _check_name(value: str) -> None:
    if not is_name(value):
        raise Flaw(f"`{value}` is not a name: small letters, digits and `_`, a letter first")


def _check_link(value: str) -> None:
    if urlsplit(value).scheme != "https":
        raise Flaw(f"`{value}` is not https")


def _check_url(value: str) -> None:
    _check_link(value)
    parts = urlsplit(value)
    host = parts.netloc.lower()
    if not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        raise Flaw(f"`{value}`: write a host name, without port, user or IP address")
    if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        raise Flaw(f"`{value}`: no query, fragment, placeholder or odd segment after the host")


def _check_base_url(value: str) -> None:
    _check_url(value)
    if value.endswith("/"):
        raise Flaw(f"`{value}`: no slash at the end, each request's path begins with one")


def _check_pattern(value: str) -> None:
    try:
        re.compile(value)
    except re.error as error:
        raise Flaw(f"not a regular expression: {error}") from None


def _check_duration(value: str) -> None:
    if not re.fullmatch(r"[1-9][0-9]*[smhd]", value):
        raise Flaw(f"`{value}` is not a duration: write a number and s, m, h or d, such as `90d`")


def milliseconds(duration: str) -> int:
    """How long a duration of a manifest is, such as `90d`."""
    return int(duration[:-1]) * {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}[duration[-1]]


def _check_rate(value: str) -> None:
    if not re.fullmatch(r"[1-9][0-9]*/(second|minute|hour|day)", value):
        raise Flaw(f"`{value}` is not a rate: write `1/second`, `300/minute`, …/hour or …/day")


def _check_header(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9-]+", value) or value.lower() in FORBIDDEN_HEADERS:
        raise Flaw(f"`{value}` is not a header a manifest may set")


def _check_credential_header(value: str) -> None:
    if value.lower() != "authorization":
        _check_header(value)


def _parsed_template(value: Any) -> Any:
    template.parse(value)
    return value


FORBIDDEN_HEADERS = frozenset(
    (
        *("authorization", "proxy-authorization", "cookie", "host", "forwarded", "expect", "upgrade", "te"),
        *("connection", "keep-alive", "transfer-encoding", "trailer", "content-length", "content-type"),
        *("accept-encoding", "x-http-method", "x-http-method-override", "x-method-override"),
    )
)
"""Headers that belong to the credential, the connection or the body, or that make one method another."""

Name = Annotated[str, only(_check_name), _like("^[a-z][a-z0-9_]*$")]
Link = Annotated[str, only(_check_link), _like("^https://")]
Url = Annotated[str, only(_check_url), _like("^https://")]
BaseUrl = Annotated[str, only(_check_base_url), _like("^https://")]
Query = Annotated[str, only(Expression)]
Request = Annotated[str, only(paths.parse_line), _like("^[A-Z]+ /")]
Preview = Annotated[str, only(template.parse_string)]
Pattern = Annotated[str, only(_check_pattern)]
Duration = Annotated[str, only(_check_duration), _like("^[1-9][0-9]*[smhd]$")]
Rate = Annotated[str, only(_check_rate), _like("^[1-9][0-9]*/(second|minute|hour|day)$")]
Header = Annotated[str, only(_check_header)]
CredentialHeader = Annotated[str, only(_check_credential_header)]
Template = Annotated[Any, AfterValidator(_parsed_template)]
Sentence = Annotated[str, Field(min_length=1)]
Params = Mapping[str, str]
