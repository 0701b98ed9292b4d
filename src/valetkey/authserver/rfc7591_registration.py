"""POST /register (RFC 7591 section 3): a client makes itself known. That opens nothing; a person does."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.authserver.asking import answering, given, read_body
from valetkey.authserver.dynamic import DynamicClients
from valetkey.authserver.metadata import method_of, name_of, read_metadata, wrong
from valetkey.authserver.redirects import usable_all
from valetkey.model import Json
from valetkey.pages import Site
from valetkey.people import Agent
from valetkey.people.sessions import SCOPE

PATH = "/register"
METHODS = ("none", "client_secret_basic", "client_secret_post")
"""How a client that registers may authenticate: the first where it does not say. Few can keep a secret."""

_GRANTS = ("authorization_code", "refresh_token")


class RegistrationEndpoint:
    """Registers clients."""

    def __init__(self, site: Site, clients: DynamicClients) -> None:
        self._site, self._clients = site, clients

    @property
    def route(self) -> Route:
        return Route(PATH, answering(self._register), methods=["POST"])

    async def _register(self, request: Request) -> Response:
        self._site.refuse_other_hosts(request)
        metadata = await _sent(request)
        kept = _kept(metadata)
        secret_too = kept["token_endpoint_auth_method"] != METHODS[0]
        client, secret = await self._clients.add(
            name_of(metadata, "A client without a name"), kept, with_secret=secret_too
        )
        return given(_registered(client, secret), 201)


async def _sent(request: Request) -> Mapping[str, Json]:
    """The body, of a type that no page of another site can send without asking us first (Fetch 2.2.2)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise wrong("send the client metadata as application/json")
    return read_metadata(await read_body(request))


def _kept(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Raises OAuthError `invalid_redirect_uri` or `invalid_client_metadata` (RFC 7591 section 3.2.2)."""
    redirect_uris = usable_all(metadata.get("redirect_uris"))
    _refuse_without(metadata, "grant_types", _GRANTS[0])
    _refuse_without(metadata, "response_types", "code")
    return {
        "redirect_uris": list(redirect_uris),
        "token_endpoint_auth_method": method_of(metadata, METHODS),
    }


def _refuse_without(metadata: Mapping[str, Json], name: str, needed: str) -> None:
    wanted = metadata.get(name, [needed])
    if not isinstance(wanted, list) or needed not in wanted:
        raise wrong(f"`{name}` has to be a list with `{needed}` in it")


def _registered(client: Agent, secret: str | None) -> dict[str, Json]:
    """What was registered, which can be less than what was asked for (section 3.2.1)."""
    shown = {"client_secret": secret, "client_secret_expires_at": 0} if secret else {}
    return {
        "client_id": client.id,
        "client_id_issued_at": client.created // 1000,
        "client_name": client.name,
        **client.metadata,
        "grant_types": list(_GRANTS),
        "response_types": ["code"],
        "scope": SCOPE,
        **shown,
    }
