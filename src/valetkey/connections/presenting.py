"""How a connection's secret is put on a request: where its manifest says, and only at its origins."""

import base64

from valetkey.egress import Credential
from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import ApiKey, Basic
from valetkey.model import Secret, TokenSet


def credential(connector: Connector, tokens: TokenSet, version: int) -> Credential:
    """Return what egress puts on the requests of a connection."""
    secret = tokens.access.reveal()
    match connector.auth:
        case ApiKey(query=str(name), prefix=prefix):
            return Credential({}, tokens.origins, version, {name: Secret(prefix + secret)})
        case ApiKey(header=str(name), prefix=prefix):
            return Credential({name: Secret(prefix + secret)}, tokens.origins, version)
        case Basic() as auth:
            return _authorization(f"Basic {_encoded(_pair(auth, secret))}", tokens, version)
        case _:
            return _authorization(f"Bearer {secret}", tokens, version)


def _authorization(value: str, tokens: TokenSet, version: int) -> Credential:
    return Credential({"Authorization": Secret(value)}, tokens.origins, version)


def _pair(auth: Basic, secret: str) -> str:
    """Name and password as RFC 7617 joins them; `secret` is both where the person has a pair."""
    if auth.secret == "pair":  # noqa: S105 - the manifest's word
        return secret
    return f"{secret}:" if auth.secret == "username" else f"{auth.username or ''}:{secret}"  # noqa: S105 - the same


def _encoded(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()
