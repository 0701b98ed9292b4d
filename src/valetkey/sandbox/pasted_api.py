"""The API of `keyed`, `bearer` and `basic`: small, and honest about whose secret it got."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.pasted import Pasted
from valetkey.sandbox.people import BY_EMAIL

PAGE = 2

Work = Callable[[Request, Access], Awaitable[Response]]


class PastedApi:
    """Things that people have. Each answer names its owner."""

    def __init__(self, pasted: Pasted) -> None:
        self._provider = pasted.provider
        self._things: list[Json] = []
        self.reset()

    def reset(self) -> None:
        """Back to the three things everybody has."""
        self._things = []
        for account, person in BY_EMAIL.items():
            for number in range(1, 4):
                self._add(account, f"{person.name}'s thing {number}")

    def routes(self) -> list[Route]:
        return [
            self._route("GET", "/whoami", self.whoami),
            self._route("GET", "/things", self.list),
            self._route("POST", "/things", self.create),
            self._route("GET", "/things/{id}", self.get),
        ]

    async def whoami(self, _request: Request, access: Access) -> Response:
        person = BY_EMAIL[access.account]
        return JSONResponse({"id": person.handle, "email": person.email, "name": person.name})

    async def list(self, request: Request, access: Access) -> Response:
        """Two at a time, from `offset` on."""
        offset = request.query_params.get("offset", "0")
        start = int(offset) if offset.isascii() and offset.isdigit() else 0
        own = [thing for thing in self._things if thing["owner"] == access.account]
        return JSONResponse({"things": own[start : start + PAGE], "total": len(own)})

    async def create(self, request: Request, access: Access) -> Response:
        try:
            name = str(json.loads(await request.body())["name"])
        except (ValueError, TypeError, LookupError):
            return JSONResponse({"error": "invalid_thing"}, 422)
        thing = self._add(access.account, name)
        self._provider.counters.posted.append(thing)
        return JSONResponse(thing, 201)

    async def get(self, request: Request, access: Access) -> Response:
        id_ = request.path_params["id"]
        found = next((thing for thing in self._things if thing["id"] == id_), None)
        if found is None or found["owner"] != access.account:
            return JSONResponse({"error": "not_found"}, 404)
        return JSONResponse(found)

    def _add(self, account: str, name: str) -> Json:
        thing = {"id": f"thing-{len(self._things) + 1}", "owner": account, "name": name}
        self._things.append(thing)
        return thing

    def _route(self, method: str, path: str, work: Work) -> Route:
        async def answer(request: Request) -> Response:
            try:
                access = self._provider.caller(self._provider.kind.secret(request))
            except BadToken:
                return JSONResponse({"error": "unauthorized"}, 401)
            return await work(request, access)

        return self._provider.route(f"/{self._provider.kind.name}{path}", "api", answer, method)
