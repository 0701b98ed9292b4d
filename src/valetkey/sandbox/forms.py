"""Reading requests strictly: urlencoded parameters without duplicates, and the client's authentication."""

import base64
import binascii
import secrets
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

from valetkey.sandbox.ledger import Refused
from valetkey.sandbox.provider import Client

FORM = "application/x-www-form-urlencoded"


def parameters(text: str) -> dict[str, str]:
    """Parse urlencoded text. RFC 6749 section 3.1: none twice, and one without a value is not there."""
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=100)
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refused("invalid_request", "a parameter is there twice")
    return {name: value for name, value in pairs if value}


def query_parameters(request: Request) -> dict[str, str]:
    """The parameters of an authorization request. Raises Refused."""
    return _parsed(request.scope["query_string"])


async def token_form(request: Request) -> dict[str, str]:
    """The body of a token or revocation request (RFC 6749 section 3.2). Raises Refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused("invalid_request", f"the body must be {FORM}")
    if request.scope["query_string"]:
        raise Refused("invalid_request", "parameters belong in the body, never in the URL")
    return _parsed(await request.body())


def _parsed(raw: bytes) -> dict[str, str]:
    try:
        return parameters(raw.decode("ascii"))
    except ValueError:
        raise Refused("invalid_request", "the parameters are not well-formed") from None


def authenticate(request: Request, form: dict[str, str], client: Client) -> None:
    """Check the client's secret, from the header or the body, never both (RFC 6749 section 2.3)."""
    said = claimed(request, form)
    if form.get("client_id", said[0]) != said[0] or not is_client(said, client):
        raise Refused("invalid_client", "no such client, or another secret", 401)


def claimed(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Return the client id and secret of a request, "" for what it leaves out. Raises Refused."""
    header = request.headers.get("authorization")
    if header is not None and "client_secret" in form:
        raise Refused("invalid_request", "use one way to authenticate, not two")
    return (
        _basic(header) if header is not None else (form.get("client_id", ""), form.get("client_secret", ""))
    )


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = secret = ""
    if scheme.lower() != "basic":
        return "", ""
    return unquote_plus(name), unquote_plus(secret)  # RFC 6749 section 2.3.1: urlencoded inside Basic


def is_client(said: tuple[str, str], client: Client) -> bool:
    """Whether this is the client's id and secret."""
    same_id = secrets.compare_digest(said[0].encode(), client.id.encode())
    return secrets.compare_digest(said[1].encode(), client.secret.encode()) and same_id


def needed(form: dict[str, str], name: str) -> str:
    """Return a parameter that must be there. Raises Refused."""
    if name not in form:
        raise Refused("invalid_request", f"{name} is missing")
    return form[name]
