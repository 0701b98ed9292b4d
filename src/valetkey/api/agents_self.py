"""/agents/self: what an agent may know of itself, its grants, and how it asks a person for its first.

It authenticates as itself, for nobody. Nothing here says whether a person exists.
"""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.api.answers import answering, given, read_json
from valetkey.errors import OAuthError, UsageError
from valetkey.grants import Grants
from valetkey.model import Actor, Caller, Grant, Json, Principal
from valetkey.needs import AccessRequest, Requests
from valetkey.needs.asking import MOST_TOOLS, Asking
from valetkey.pages import Site
from valetkey.people import LOCAL, Accounts, Agent, Kind
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose

Authenticate = Callable[[Request], Awaitable[Agent]]
"""Returns the agent whose credentials a request shows. Raises OAuthError."""


class Wish(BaseModel):
    """The body of a request that an agent makes ahead of time. `principal`: a name, or `issuer:subject`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    principal: str = Field(min_length=1, max_length=500)
    tools: list[str] = Field(min_length=1, max_length=MOST_TOOLS)
    offline: bool = False


class AgentsSelf:
    """The routes of /agents/self."""

    def __init__(
        self,
        site: Site,
        authenticate: Authenticate,
        store: Store,
        keys: KeyRing,
        accounts: Accounts,
        grants: Grants,
        requests: Requests,
        asking: Asking,
    ) -> None:
        self._site, self._authenticate, self._store, self._keys = site, authenticate, store, keys
        self._accounts, self._grants, self._requests, self._asking = accounts, grants, requests, asking

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/agents/self/grants", answering(self._list), methods=["GET"]),
            Route("/agents/self/requests", answering(self._ask), methods=["POST"]),
            Route("/agents/self/requests/{id}", answering(self._state), methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        agent = await self._agent(request)
        grants = await self._grants.of_actor(agent.id)
        return given({"grants": [await self._told(grant) for grant in grants]})

    async def _ask(self, request: Request) -> Response:
        agent = await self._agent(request)
        if (
            agent.kind is not Kind.NAMED
        ):  # whoever may register themselves could put themselves before anybody
            raise OAuthError("unauthorized_client", "only agents that the operator named can ask ahead", 403)
        wish = await read_json(request, Wish)
        caller = Caller(await self._whom(wish.principal), Actor(agent.id), session="")
        asked = await self._asking.ahead(caller, wish.tools, offline=wish.offline)
        return given({"request": asked.id, "state": asked.state}, 202)

    async def _state(self, request: Request) -> Response:
        agent = await self._agent(request)
        found = await self._requests.of_actor(agent.id, request.path_params["id"])
        if found is None:
            raise OAuthError("not_found", "you have made no such request", 404)
        return given(_stands(found))

    async def _agent(self, request: Request) -> Agent:
        self._site.refuse_other_hosts(request)
        return await self._authenticate(request)

    async def _whom(self, named: str) -> Principal:
        """Return a person by their name, or by issuer and subject.

        Where there is none, somebody nobody is: the request is kept and counted like any other, so that
        no answer tells names that exist from names that do not.
        """
        issuer, by_subject, subject = named.partition(":")
        try:
            if by_subject:
                return (await self._accounts.get(self._store, Principal(issuer, subject))).principal
            return (await self._accounts.named(self._store, named)).principal
        except UsageError:
            digest = self._keys.server(Purpose.LOOKUP).digest(f"nobody {named}")
            return Principal(LOCAL, f"nobody_{digest}")

    async def _told(self, grant: Grant) -> dict[str, Json]:
        return {
            "id": grant.id,
            "person": await self._name(grant.principal),
            "principal": f"{grant.principal.issuer}:{grant.principal.subject}",
            "tools": sorted(grant.tools),
            "until": grant.until,
            "uses_left": None if grant.uses is None else grant.uses - grant.used,
            "offline": grant.offline,
        }

    async def _name(self, principal: Principal) -> str:
        try:
            return (await self._accounts.get(self._store, principal)).name
        except UsageError:
            return principal.subject


def _stands(asked: AccessRequest) -> dict[str, Json]:
    return {
        "request": asked.id,
        "state": asked.state,
        "tools": list(asked.tools),
        "offline": asked.offline,
        "until": asked.until,
    }
