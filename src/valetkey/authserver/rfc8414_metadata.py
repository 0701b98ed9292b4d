"""GET /.well-known/oauth-authorization-server (RFC 8414): where our endpoints are, and what they take."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.authserver import (
    rfc6749_authorize,
    rfc6749_token,
    rfc7009_revocation,
    rfc7591_registration,
    rfc7662_introspection,
)
from valetkey.authserver.asking import answering
from valetkey.authserver.authentication import ASSERTION, BASIC, METHODS, POST
from valetkey.authserver.id_jag import JWT_BEARER, PROFILE
from valetkey.authserver.rfc7523_assertions import ALGORITHMS
from valetkey.model import Json
from valetkey.pages import Site
from valetkey.people.sessions import SCOPE

PATH = "/.well-known/oauth-authorization-server"
_ANYBODY = {"Access-Control-Allow-Origin": "*"}
"""Pages of other sites may read it: it is the same for everybody, and public."""


class MetadataEndpoint:
    """Says what this server can. `documents`: whether a client's id may be the URL of its metadata."""

    def __init__(self, site: Site, issuer: str, grant_types: Iterable[str], *, documents: bool) -> None:
        self._site, self._metadata = site, _metadata(issuer, sorted(grant_types), documents=documents)

    @property
    def route(self) -> Route:
        return Route(PATH, answering(self._answer), methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        self._site.refuse_other_hosts(request)
        return JSONResponse(self._metadata, headers=_ANYBODY)


def _metadata(issuer: str, grant_types: list[str], *, documents: bool) -> dict[str, Json]:
    """RFC 8414 section 2, with what RFC 9207 and the drafts on clients' documents add."""
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + rfc6749_authorize.PATH,
        "token_endpoint": issuer + rfc6749_token.PATH,
        "registration_endpoint": issuer + rfc7591_registration.PATH,
        "revocation_endpoint": issuer + rfc7009_revocation.PATH,
        "introspection_endpoint": issuer + rfc7662_introspection.PATH,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": [SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grant_types,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": [BASIC, POST, ASSERTION],
        "introspection_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": documents,
        **({"authorization_grant_profiles_supported": [PROFILE]} if JWT_BEARER in grant_types else {}),
    }
