"""Our own authorization server: one file per endpoint or grant type, named for its specification.

Who may act for whom is the business of `grants`; what our tokens say, of `identity`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.authserver.asking import GrantType
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.authserver.authorizations import Authorizations
from valetkey.authserver.clients import Clients
from valetkey.authserver.codes import Codes
from valetkey.authserver.dynamic import DynamicClients
from valetkey.authserver.issued import IssuedTokens
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.authserver.rfc6749_authorize import AuthorizeEndpoint
from valetkey.authserver.rfc6749_client_credentials import CLIENT_CREDENTIALS
from valetkey.authserver.rfc6749_code import AuthorizationCode
from valetkey.authserver.rfc6749_refresh import Refresh
from valetkey.authserver.rfc6749_token import TokenEndpoint
from valetkey.authserver.rfc7009_revocation import RevocationEndpoint
from valetkey.authserver.rfc7591_registration import RegistrationEndpoint
from valetkey.authserver.rfc7662_introspection import IntrospectionEndpoint
from valetkey.authserver.rfc8414_metadata import MetadataEndpoint
from valetkey.identity import Identity, Tokens
from valetkey.model import Clock
from valetkey.pages import Pages, Site
from valetkey.pages.proof import Proof
from valetkey.people import Agents, Sessions
from valetkey.store import Store


@dataclass(frozen=True, slots=True)
class AuthServer:
    """What the endpoints stand on. `documents`: whether a client's id may be the URL of its metadata."""

    clients: Clients
    dynamic: DynamicClients
    authorizations: Authorizations
    codes: Codes
    refresh_tokens: RefreshTokens
    authentication: ClientAuthentication
    documents: bool

    @property
    def jobs(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What is to be forgotten now and then, without anybody asking."""
        return (
            self.authorizations.forget_late,
            self.codes.forget_late,
            self.refresh_tokens.forget_late,
            self.dynamic.forget_unused,
        )


def routes(
    pages: Pages,
    site: Site,
    server: AuthServer,
    *,
    store: Store,
    clock: Clock,
    audit: Audit,
    sessions: Sessions,
    agents: Agents,
    tokens: Tokens,
    identity: Identity,
    proof: Proof,
    resources: frozenset[str],
    most: int,
    grant_types: Mapping[str, GrantType],
) -> list[Route]:
    """Return the routes of every endpoint.

    `resources` are the URLs of the MCP endpoints; `most` how many clients one person may have signed in;
    `grant_types` are those beside the two with which a
    person's client gets its tokens.
    """
    issuer, refresh_tokens = tokens.issuer, server.refresh_tokens
    kinds: dict[str, GrantType] = {
        "authorization_code": AuthorizationCode(server.codes, refresh_tokens, tokens, clock),
        "refresh_token": Refresh(refresh_tokens, tokens, clock),
        **grant_types,
    }
    issued = IssuedTokens(tokens, identity, refresh_tokens)
    authorize = AuthorizeEndpoint(
        store,
        sessions,
        server.clients,
        server.authorizations,
        server.codes,
        audit,
        proof,
        issuer=issuer,
        resources=resources,
        usual=tokens.resource,
        most=most,
    )
    return [
        *authorize.routes(pages),
        MetadataEndpoint(site, issuer, kinds.keys() - {CLIENT_CREDENTIALS}, documents=server.documents).route,
        RegistrationEndpoint(site, server.dynamic).route,
        TokenEndpoint(site, server.authentication, tokens, kinds).route,
        RevocationEndpoint(site, store, server.authentication, issued, sessions, audit).route,
        IntrospectionEndpoint(
            site, store, server.authentication, issued, refresh_tokens, agents, issuer
        ).route,
    ]


__all__ = ["AuthServer", "routes"]
