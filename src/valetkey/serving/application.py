"""One ASGI application of the rooms below: the MCP endpoints, the pages, and whether we are well."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from valetkey import authserver
from valetkey.assemble import House
from valetkey.errors import StoreError
from valetkey.pages import Pages, Site
from valetkey.people import Welcome
from valetkey.people.proved import Proved
from valetkey.server import Endpoint, Handlers
from valetkey.server.callers import RequestCallers
from valetkey.server.changes import Changes
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.server.endpoint import public_keys
from valetkey.server.places import Places
from valetkey.server.selection import UNDERSCORE, Selection
from valetkey.serving.acting import agents_self, grant_types
from valetkey.serving.operator import bare_readiness
from valetkey.serving.presence import presence
from valetkey.serving.readiness import Readiness
from valetkey.serving.unforeseen import store_failed
from valetkey.settings import EndpointSettings
from valetkey.web import routes


def application(house: House, endpoints: Sequence[Endpoint], readiness: Readiness) -> Starlette:
    """The ASGI application: pages, the MCP endpoints, and whether we are well."""
    pages, served = _pages(house), [route for endpoint in endpoints for route in endpoint.routes]
    letting_in = _letting_in(house, pages, frozenset(endpoint.resource for endpoint in endpoints))
    rooms = [*letting_in, *_rooms(house, pages), *_about(house), bare_readiness(readiness)]
    app = pages.application([*served, public_keys(house.tokens), *rooms])
    app.add_exception_handler(StoreError, store_failed)
    return app


def pages_application(house: House) -> Starlette:
    """The pages alone, for a person whose agents come over stdio: the owner chooses a password there."""
    pages = _pages(house)
    return pages.application([*_rooms(house, pages, welcome=house.welcome), *_about(house)])


def _about(house: House) -> list[Route]:
    """Whether we are well, and whose store this is: other processes ask before they call a port foreign."""

    async def health(_: Request) -> JSONResponse:
        await house.ground.store.one("SELECT 1 AS one")
        return JSONResponse({"status": "ok"})

    return [Route("/healthz", health), presence(house.ground.keys)]


def _pages(house: House) -> Pages:
    ground = house.ground
    return Pages(
        _site(house), ground.keys, house.sessions, ground.clock, ground.randomness, ground.gate.asleep
    )


def _letting_in(house: House, pages: Pages, resources: frozenset[str]) -> list[Route]:
    """Our authorization server, and what agents may ask of themselves. `resources` are the MCP endpoints."""
    ground, site = house.ground, _site(house)
    served = authserver.routes(
        pages,
        site,
        house.authserver,
        store=ground.store,
        clock=ground.clock,
        audit=ground.audit,
        sessions=house.sessions,
        agents=house.agents,
        tokens=house.tokens,
        identity=house.identity,
        proof=house.proof,
        resources=resources,
        most=ground.settings.limits.clients,
        grant_types=grant_types(house),
    )
    return [*served, *agents_self(house, site, house.authserver.authentication)]


def _rooms(house: House, pages: Pages, *, welcome: Welcome | None = None) -> list[Route]:
    ground = house.ground
    return routes(
        pages,
        store=ground.store,
        keys=ground.keys,
        vault=ground.vault,
        audit=ground.audit,
        catalog=ground.catalog,
        accounts=house.accounts,
        passkeys=house.passkeys,
        proof=house.proof,
        sessions=house.sessions,
        agents=house.agents,
        connections=house.connections,
        grants=house.grants,
        requests=house.requests,
        reading=house.reading,
        answers=house.answers,
        notices=house.notices,
        trust=house.trust,
        proved=Proved(ground.store, ground.clock),
        welcome=welcome,
    )


def endpoints_of(house: House, changes: Changes, hold: float = HOLD_SECONDS) -> list[Endpoint]:
    """The MCP endpoints of a house: `/mcp`, `/mcp/flat`, and those that its settings name.

    Raises SettingsError for one that selects what does not exist.
    """
    chosen = {"": EndpointSettings(), "flat": EndpointSettings(names="underscore")}
    callers = RequestCallers(house.identity, house.calls.policy)
    places = Places(changes.presences, callers.stands)
    return [
        _endpoint(house, name, wanted, callers, changes, places, hold)
        for name, wanted in {**chosen, **house.ground.settings.endpoints}.items()
    ]


def _endpoint(
    house: House,
    name: str,
    wanted: EndpointSettings,
    callers: RequestCallers,
    changes: Changes,
    places: Places,
    hold: float,
) -> Endpoint:
    ground = house.ground
    selection = Selection(wanted.connectors, wanted.tools, wanted.effects, wanted.names == UNDERSCORE)
    tools = {tool.name for tool in ground.catalog.tools}
    selection.refuse_unknown(f"[endpoints.{name}]", set(ground.catalog.connectors), tools)
    handlers = Handlers(
        house.calls.only(selection.shows),
        house.grants,
        house.requests,
        callers,
        ground.ids,
        hold,
        spelled=selection.spelled,
    )
    site, tokens = _site(house), house.tokens
    identity, keys = house.identity, ground.keys
    others, audit = [issuer.url for issuer in house.trust.issuers], ground.audit
    return Endpoint(name, handlers, callers, changes, places, identity, tokens, keys, site, audit, others)


def _site(house: House) -> Site:
    return Site(house.ground.public_url, frozenset(house.ground.settings.allowed_hosts))
