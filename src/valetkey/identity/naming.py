"""Whom an issuer's claims name: the person, the client, and who stands behind it. No I/O.

Two people are never the same text: nothing is folded, trimmed or joined with a separator.
"""

import json
from collections.abc import Mapping

from valetkey.errors import NoPerson, Unauthenticated
from valetkey.identity.issuers import Issuer
from valetkey.model import Json, Principal

_LONGEST = 512
_CLIENT = ("client_id", "azp", "cid", "appid")
"""Where issuers say which client a token is of: RFC 9068, OpenID Connect, Okta, and Entra's first."""

_DEEPEST = 8


def principal_of(issuer: Issuer, claims: Mapping[str, Json]) -> Principal:
    """Return the person that an issuer's claims are about.

    Raises NoPerson: they name nobody, or the client itself.
    """
    parts = [_text(claims.get(name)) for name in issuer.rules.subject_claims]
    if not all(parts) or _is_the_clients_own(claims):
        clients = (_text(client) for client in _clients(claims))
        raise NoPerson(next((actor_of(issuer, client) for client in clients if client), None))
    return Principal(issuer.key, parts[0] if len(parts) == 1 else json.dumps(parts, ensure_ascii=False))


def client_of(claims: Mapping[str, Json]) -> str:
    """Return the client that a token was issued to. Raises Unauthenticated: none, or two of them."""
    named = {_text(claims[name]) for name in _CLIENT if name in claims}
    if len(named) != 1 or "" in named:
        raise Unauthenticated("this token does not say which client it was issued to")
    return named.pop()


def actor_of(issuer: Issuer, client: str) -> str:
    """The id of an issuer's client among our agents; no id of our own has an issuer key before a slash."""
    return f"{issuer.key}/{client}"


def chain_of(issuer: Issuer, client: str, act: Json) -> tuple[str, ...]:
    """Who stands behind the client (RFC 8693 section 4.1), nearest first, each known to that issuer."""
    chain: list[str] = []
    while isinstance(act, dict) and len(chain) < _DEEPEST:
        chain.append(_text(act.get("sub")))
        act = act.get("act")
    if act is not None or "" in chain:
        raise Unauthenticated("this token's `act` cannot be read")
    behind = chain[1:] if chain[:1] == [client] else chain
    return tuple(actor_of(issuer, one) for one in behind)


def for_one(claims: Mapping[str, Json], audience: str) -> bool:
    """Whether a token is for this audience and for nobody else, who could bring it here."""
    return claims.get("aud") in (audience, [audience])


def _is_the_clients_own(claims: Mapping[str, Json]) -> bool:
    """Whether a client got this token as itself: RFC 9068 section 2.2, and how Auth0 and Entra say it."""
    return (
        claims.get("sub") in _clients(claims)
        or claims.get("gty") == "client-credentials"
        or claims.get("idtyp") == "app"
    )


def _clients(claims: Mapping[str, Json]) -> list[str]:
    return [claims[name] for name in _CLIENT if isinstance(claims.get(name), str)]


def _text(value: Json) -> str:
    """A claim as text, empty where it names nothing: a control or half a character has no place in a name."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return ""
    hidden = any(ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 or 0xD800 <= ord(one) < 0xE000 for one in value)
    return "" if hidden or value != value.strip() else value
