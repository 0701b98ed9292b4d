"""The API of the `strict` provider: small, and honest about whose token it got and what exactly arrived."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.provider import Provider, bearer_token

PAGES, PAGE_SIZE = 3, 2

Work = Callable[[Request, Access], Awaitable[Response]]


class StrictApi:
    """Notes, pages, and echoes. `base_url` says where the sandbox is served, for links."""

    def __init__(self, provider: Provider, base_url: Callable[[], str]) -> None:
        self._provider, self._base_url = provider, base_url
        self._notes: dict[str, Json] = {}
        self._count = 0

    def reset(self) -> None:
        """Forget all notes."""
        self._notes, self._count = {}, 0

    def routes(self) -> list[Route]:
        any_verb = ("GET", "POST", "PUT", "PATCH", "DELETE")
        return [
            self._route("/whoami", None, self.whoami, "GET"),
            self._route("/echo", None, self.echo, *any_verb),
            self._route("/notes", "notes.read", self.list, "GET"),
            self._route("/notes", "notes.write", self.write, "POST"),
            self._route("/notes/{id}", "notes.write", self.delete, "DELETE"),
            self._route("/pages", "notes.read", self.pages, "GET"),
            self._route("/items/{path:path}", None, self.items, *any_verb),
        ]

    async def whoami(self, _request: Request, access: Access) -> Response:
        return JSONResponse(
            {"account": access.account, "scopes": sorted(access.scopes), "grant": access.grant.id}
        )

    async def echo(self, request: Request, access: Access) -> Response:
        """Say whose token came and what came with it; of the headers only the names."""
        body = (await request.body()).decode("utf-8", "replace")
        query = [[name, value] for name, value in request.query_params.multi_items()]
        names = sorted({name.lower() for name in request.headers})
        return JSONResponse(
            {
                "account": access.account,
                "method": request.method,
                "query": query,
                "headers": names,
                "body": body,
            }
        )

    async def list(self, _request: Request, access: Access) -> Response:
        return JSONResponse(
            {"notes": [note for note in self._notes.values() if note["owner"] == access.account]}
        )

    async def write(self, request: Request, access: Access) -> Response:
        try:
            text = str(json.loads(await request.body())["text"])
        except (ValueError, TypeError, KeyError):
            return _error(422, "invalid_note")
        self._count += 1
        note = {"id": f"note-{self._count}", "owner": access.account, "text": text}
        self._notes[note["id"]] = note
        self._provider.counters.posted.append(note)
        return JSONResponse(note, 201)

    async def delete(self, request: Request, access: Access) -> Response:
        note = self._notes.get(request.path_params["id"])
        if note is None or note["owner"] != access.account:
            return _error(404, "not_found")
        del self._notes[note["id"]]
        return Response(status_code=204)

    async def pages(self, request: Request, access: Access) -> Response:
        """Three pages; the next one is named in the body and in a Link header (RFC 8288)."""
        page = request.query_params.get("page", "1")
        if page not in map(str, range(1, PAGES + 1)):
            return _error(404, "no_such_page")
        first = (int(page) - 1) * PAGE_SIZE + 1
        items = [f"{access.account} item {number}" for number in range(first, first + PAGE_SIZE)]
        if int(page) == PAGES:
            return JSONResponse({"items": items, "next": None})
        origin = self._provider.rules.next_links_to or self._base_url()
        link = f"{origin}/strict/api/pages?page={int(page) + 1}"
        return JSONResponse({"items": items, "next": link}, headers={"Link": f'<{link}>; rel="next"'})

    async def items(self, request: Request, access: Access) -> Response:
        """Record the path as it arrived, undecoded."""
        received = request.scope["raw_path"].split(b"?")[0].decode("latin-1")
        self._provider.counters.paths.append(received)
        return JSONResponse({"account": access.account, "path": received})

    def _route(self, path: str, scope: str | None, work: Work, *methods: str) -> Route:
        async def answer(request: Request) -> Response:
            try:
                access = self._provider.caller(bearer_token(request))
            except BadToken:
                return _error(401, "invalid_token")
            if scope is not None and scope not in access.scopes:
                self._provider.counters.api_refused["scope"] += 1
                return _error(403, "insufficient_scope", scope)
            return await work(request, access)

        return self._provider.route(f"/strict/api{path}", "api", answer, *methods)


def _error(status: int, error: str, scope: str | None = None) -> Response:
    """An error, with its challenge where it is about the token (RFC 6750 section 3)."""
    challenge = f'Bearer realm="strict", error="{error}"' + (f', scope="{scope}"' if scope else "")
    headers = {"WWW-Authenticate": challenge} if status in (401, 403) else {}
    return JSONResponse({"error": error}, status, headers)
