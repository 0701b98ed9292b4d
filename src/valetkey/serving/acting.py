"""What agents with identities of their own come to: token exchange, and /agents/self."""

from collections.abc import Mapping

from starlette.routing import Route

from valetkey.api import AgentsSelf
from valetkey.assemble import House
from valetkey.authserver.asking import GrantType
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.authserver.by_header import HeaderAuthentication
from valetkey.authserver.id_jag import JWT_BEARER, IdentityAssertion
from valetkey.authserver.rfc6749_client_credentials import CLIENT_CREDENTIALS, ClientCredentials
from valetkey.authserver.rfc8693_asked import EXCHANGE
from valetkey.authserver.rfc8693_exchange import TokenExchange
from valetkey.identity.subjects import EverybodysSubjects, OurSubjects
from valetkey.needs.asking import Asking
from valetkey.pages import Site
from valetkey.people import Once


def grant_types(house: House) -> Mapping[str, GrantType]:
    """How an agent gets a token to act for somebody, and the way in which it does not."""
    ground = house.ground
    exchange = TokenExchange(
        ground.store,
        ground.audit,
        ground.clock,
        house.agents,
        house.grants,
        house.sessions,
        house.tokens,
        EverybodysSubjects(OurSubjects(house.identity, house.tokens), house.trust.trusted).of,
        _asking(house),
    )
    kinds: dict[str, GrantType] = {EXCHANGE: exchange, CLIENT_CREDENTIALS: ClientCredentials(ground.audit)}
    if any(issuer.rules.id_jag for issuer in house.trust.issuers):
        kinds[JWT_BEARER] = _assertions(house)
    return kinds


def _assertions(house: House) -> IdentityAssertion:
    ground, once = house.ground, Once(house.ground.clock)
    return IdentityAssertion(
        ground.store, ground.audit, ground.clock, once, house.sessions, house.tokens, house.trust
    )


def agents_self(house: House, site: Site, authentication: ClientAuthentication) -> list[Route]:
    """The routes of what an agent may know of itself."""
    room = AgentsSelf(
        site,
        HeaderAuthentication(authentication).agent,
        house.ground.store,
        house.ground.keys,
        house.accounts,
        house.grants,
        house.requests,
        _asking(house),
    )
    return room.routes


def _asking(house: House) -> Asking:
    return Asking(house.ground.catalog, house.connections, house.requests)
