"""What a request may look like before anything is opened: its URL, its origin, its headers, its tokens.

Every function returns what may be sent or raises `EgressRefused`; no message repeats what it refuses.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, unquote

from valetkey.egress.messages import Credential, Outgoing
from valetkey.errors import EgressRefused
from valetkey.model import Secret

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The last label starts with a letter: `127.1`, `0x7f000001` and `2130706433` are addresses to inet_aton(3).
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = rf"(?=[^:/?]{{1,253}}(?:[:/?]|\Z))(?:{_LABEL}\.)*[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_URL = re.compile(
    rf"https://(?P<host>{_NAME})(?::(?P<port>[1-9][0-9]{{0,4}}))?(?P<target>[/?].*)?", re.IGNORECASE
)

# Visible ASCII without `#` (a fragment is never sent) and `\` (some servers read it as `/`).
_TARGET = re.compile(r"(?:[!\"$&-\[\]-~]|%[0-9A-Fa-f]{2})*")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE = re.compile(r"[\t -~]{0,16384}")

# Framing, hops and cookies are this room's; the rest would let an argument stand for another request.
_RESERVED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"expect", "accept-encoding", "cookie", "cookie2", "forwarded", "via", "x-real-ip"}
    | {"x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"}
)
_RESERVED_PREFIXES = ("proxy-", "x-forwarded-", "mcp-")


def split(url: str) -> tuple[str, str]:
    """Return the origin and the exact request target of an https URL, or raise EgressRefused.

    Refused: http, userinfo, IP literals in every spelling, a trailing dot, fragments, controls, `\\`,
    non-ASCII, and dot segments, encoded or not.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise EgressRefused("the URL is not https with a plain host name")
    host, port, target = match["host"].lower(), match["port"], match["target"] or "/"
    origin = f"https://{host}" if port in (None, "443") else f"https://{host}:{port}"
    if not _TARGET.fullmatch(target) or int(port or 443) > 65535:
        raise EgressRefused(f"the URL for {origin} holds a character that no URL may hold")
    if _climbs(target.partition("?")[0]):
        raise EgressRefused(f"the path for {origin} holds a dot segment or a control character")
    return origin, target if target.startswith("/") else f"/{target}"


def origin_of(url: str) -> str:
    """Return the origin (`https://api.example`, `https://api.example:8443`) of a URL that may be sent."""
    return split(url)[0]


def _climbs(path: str) -> bool:
    """Whether a server that decodes once too often, or reads `\\` as `/`, would leave this path's folder."""
    decoded = unquote(unquote(path, "latin-1"), "latin-1")
    segments = (segment.partition(";")[0] for segment in re.split(r"[/\\]", decoded))
    return any(segment in {".", ".."} for segment in segments) or bool(re.search(r"[\x00-\x1f\x7f]", decoded))


def permitted(request: Outgoing, origins: frozenset[str], credential: Credential | None) -> tuple[str, str]:
    """Return origin and target of a request that may go to `origins`, and may carry `credential` there.

    A credential's query parameters are in the target, last.
    """
    if request.method not in METHODS:
        raise EgressRefused("the method is not one that is sent")
    origin, target = split(request.url)
    if origin not in origins:
        raise EgressRefused(f"{origin} is not an origin this request may go to")
    if credential is not None and origin not in credential.origins:
        raise EgressRefused(f"the credential may not be sent to {origin}")
    return origin, _with_query(target, credential.query if credential else {})


def _with_query(target: str, proofs: Mapping[str, Secret]) -> str:
    """Put the parameters that only a credential may set behind those of the request."""
    if not proofs:
        return target
    _, mark, query = target.partition("?")
    if any(name in proofs for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise EgressRefused("a parameter that only a credential may set was set by the caller")
    pairs = (f"{quote(name, safe='')}={quote(secret.reveal(), safe='')}" for name, secret in proofs.items())
    return f"{target}{'&' if mark else '?'}{'&'.join(pairs)}"


def headers(request: Outgoing, credential: Credential | None) -> list[tuple[str, str]]:
    """Return the headers to send: the caller's, ours, and the credential's last."""
    proof = {} if credential is None else credential.headers
    asked = list(_checked(request.headers))
    proofs = list(_checked((name, secret.reveal()) for name, secret in proof.items()))
    taken = {"authorization", *(name.lower() for name, _ in proofs)}
    if any(name.lower() in taken for name, _ in asked):
        raise EgressRefused("a header that only a credential may set was set by the caller")
    return [*_ours(asked), *asked, *proofs]


def _ours(asked: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    names = {name.lower() for name, _ in asked}
    yield "Accept-Encoding", "gzip"
    if "user-agent" not in names:
        yield "User-Agent", "valetkey"
    if "accept" not in names:
        yield "Accept", "*/*"


def _checked(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        # Gateways read `X_Forwarded_For` as `X-Forwarded-For`.
        plain = name.lower().replace("_", "-")
        if not _HEADER_NAME.fullmatch(name) or plain in _RESERVED or plain.startswith(_RESERVED_PREFIXES):
            raise EgressRefused("a header that may not be set was set")
        if not _HEADER_VALUE.fullmatch(value):
            raise EgressRefused(f"the value of {name} is over 16 KiB or holds a character no header may hold")
        yield name, value
