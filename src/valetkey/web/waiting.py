"""/mine/waiting: what agents have asked a person and nobody has answered, with the way to decide."""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.needs import AccessRequest, Requests
from valetkey.pages import Pages, tool_title
from valetkey.people import Agents
from valetkey.store import Store
from valetkey.web.groups import Group, grouped
from valetkey.web.own import Own, OwnPages, made
from valetkey.web.words import Words


@dataclass(frozen=True, slots=True)
class _Asked:
    """An open request as the page shows it. `tools` are in words, by connector."""

    group: Group
    request: AccessRequest
    tools: list[tuple[str, list[str]]]
    since: int
    path: str


class WaitingForYou:
    """Lists open requests. Nothing is decided here: each has its own page."""

    def __init__(self, own: OwnPages, store: Store, agents: Agents, requests: Requests, words: Words) -> None:
        self._own, self._store, self._agents = own, store, agents
        self._requests, self._words = requests, words

    def routes(self, pages: Pages) -> list[Route]:
        return [self._own.route(pages, "/mine/waiting", get=self._show)]

    async def _show(self, own: Own) -> Response:
        found = await self._requests.open_for(self._store, own.principal)
        return own.page("waiting.html", asked=[await self._asked(request) for request in found])

    async def _asked(self, request: AccessRequest) -> _Asked:
        (group,) = await grouped(self._store, self._agents, [request.actor])
        tools = [(self._words.connector(name), self._titles(left)) for name, left in request.left.items()]
        return _Asked(group, request, tools, made(request.id), f"/connect/{self._requests.handle(request)}")

    def _titles(self, names: list[str]) -> list[str]:
        return [tool_title(tool) if (tool := self._words.known(name)) else name for name in names]
