"""The kinds of values that settings have: origins, hosts, networks, and how each may be written."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, is this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_HOST = r"(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
_AUTHORITY = re.compile(rf"{_HOST}(?::[1-9]\d{{0,4}})?")
_DEFAULT_PORTS = (("http", ":80"), ("https", ":443"))


def _authority(text: str) -> str:
    if not _AUTHORITY.fullmatch(text):
        raise ValueError("has to be a name in lower case and maybe a port, such as `valetkey.internal:8080`")
    return text


def _origin(text: str) -> str:
    """One spelling per origin, because origins are compared as text (RFC 6454 section 6.2)."""
    scheme, _, authority = text.partition("://")
    if scheme not in {"http", "https"} or not _AUTHORITY.fullmatch(authority):
        raise ValueError(
            "has to be an origin in lower case such as `https://gmail.googleapis.com`:"
            " no path, no slash at the end, no name or password"
        )
    if any(scheme == known and authority.endswith(port) for known, port in _DEFAULT_PORTS):
        raise ValueError(f"has to be written without the port that {scheme} has by itself")
    return text


def _loopback_origin(text: str) -> str:
    if not is_loopback(urlsplit(_origin(text)).hostname or ""):
        raise ValueError("may only point at this machine (http://127.0.0.1:…); tokens must not go elsewhere")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(_origin(text))
    if parts.scheme == "http" and parts.hostname != "localhost":
        raise ValueError("has to be https, except on http://localhost:<port>")
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"has to be a network such as `10.1.2.0/24` ({error})") from None
    return text


def _proxy(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError("has to be the address of a proxy such as `http://proxy.internal:3128`")
    return text


def _store(text: str) -> str:
    if urlsplit(text).scheme not in {"postgresql", "postgres"}:
        raise ValueError(
            "has to be the URL of a database such as `postgresql://valetkey@db.internal/valetkey`"
        )
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError("is part of a URL: use a-z, 0-9 and dashes (63 at most)")
    return text


StoreUrl = Annotated[str, AfterValidator(_store)]
Authority = Annotated[str, AfterValidator(_authority)]
Origin = Annotated[str, AfterValidator(_origin)]
LoopbackOrigin = Annotated[str, AfterValidator(_loopback_origin)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Network = Annotated[str, AfterValidator(_network)]
Proxy = Annotated[str, AfterValidator(_proxy)]
Name = Annotated[str, AfterValidator(_name)]


class Table(BaseModel):
    """What every table has in common: frozen, no unknown keys, and no value in a message."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
