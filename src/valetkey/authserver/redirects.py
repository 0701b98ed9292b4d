"""Where a client may be sent back to: which redirect URIs can be registered, and which fit one that is.

What a browser or a server could read in two ways is refused whole, so that texts can be compared.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

from valetkey.errors import OAuthError

LONGEST, MOST = 1_000, 10

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_REST = r"(?P<rest>(?:[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)"
"""Path and query. No fragment (RFC 6749 section 3.1.2), no `\\`, nothing invisible."""

_HTTPS = re.compile(rf"https://{_HOST}{_PORT}{_REST}", re.ASCII | re.IGNORECASE)
_LOOPBACK = re.compile(rf"http://(?P<host>localhost|127\.0\.0\.1|\[::1\]){_PORT}{_REST}", re.ASCII)
_PRIVATE = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*):(?://{_HOST}|(?!//)){_REST}", re.ASCII)

_SCHEMES = frozenset({"cursor"})
"""Schemes without a dot of clients that are in wide use and know no other way back (docs/adr)."""


def usable(uri: str) -> bool:
    """Whether a redirect URI may be registered.

    https; http to this machine; or a scheme that an application has to itself, which has a dot because it
    is the name of a domain turned round (RFC 8252 section 7).
    """
    if len(uri) > LONGEST or _climbs(uri):
        return False
    known = _HTTPS.fullmatch(uri) or _LOOPBACK.fullmatch(uri)
    return int(known["port"] or 1) <= 65535 if known else _is_private(uri)


def _climbs(uri: str) -> bool:
    """Whether a segment of the path is `.` or `..`, encoded or not: servers disagree about these."""
    path = uri.partition("?")[0].lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/")
    return any(segment in {".", ".."} for segment in path.split("/"))


def _is_private(uri: str) -> bool:
    match = _PRIVATE.fullmatch(uri)
    return match is not None and ("." in match["scheme"] or match["scheme"] in _SCHEMES)


def usable_all(uris: object) -> tuple[str, ...]:
    """Return the redirect URIs of a client. Raises OAuthError `invalid_redirect_uri` (RFC 7591 3.2.2)."""
    if not isinstance(uris, list) or not 0 < len(uris) <= MOST:
        raise OAuthError("invalid_redirect_uri", f"`redirect_uris` has to be a list of 1 to {MOST} URIs")
    if not all(isinstance(uri, str) and usable(uri) for uri in uris):
        raise OAuthError("invalid_redirect_uri", _USABLE)
    return tuple(uris)


def fits(asked: str, registered: Iterable[str]) -> bool:
    """Whether a redirect URI is one of those registered: to the letter, but for the port on this machine.

    A native application listens on whatever port is free (RFC 8252 section 7.3).
    """
    return usable(asked) and any(_same(asked, known) for known in registered)


def _same(asked: str, known: str) -> bool:
    here, there = _LOOPBACK.fullmatch(asked), _LOOPBACK.fullmatch(known)
    if here and there:
        return (here["host"], here["rest"] or "/") == (there["host"], there["rest"] or "/")
    return asked == known


def place(uri: str) -> str:
    """Return what a person is told of where a redirect URI leads: a host, or an application's own scheme."""
    parts = urlsplit(uri)
    if _LOOPBACK.fullmatch(uri):
        return parts.hostname or ""  # the port says nothing, and is another one each time
    return parts.netloc if parts.scheme == "https" else f"{parts.scheme}:"


def on_this_computer(uri: str) -> bool:
    """Whether a redirect URI leads to an application beside the browser."""
    return not uri.lower().startswith("https:")


def answered(uri: str, parameters: dict[str, str | None]) -> str:
    """Return a redirect URI with the answer in its query (RFC 6749 section 4.1.2)."""
    added = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{uri}{'&' if '?' in uri else '?'}{added}"


_USABLE = (
    "a redirect URI has to be https, http on localhost, 127.0.0.1 or [::1], or of a private scheme with a dot"
    f" in it; without a fragment, a name, a password or dot segments; and at most {LONGEST} characters long"
)
