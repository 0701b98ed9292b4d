"""/mine/agents: what each agent may do for a person, until when, and the switch that stops one."""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.needs import Stopping
from valetkey.pages import Form, Pages
from valetkey.pages.words import series
from valetkey.web.cards import Cards
from valetkey.web.own import Own, OwnPages, nothing


class MyAgents:
    """Shows a person's agents. To stop one takes no password: nothing is allowed by it."""

    def __init__(self, own: OwnPages, cards: Cards, stopping: Stopping) -> None:
        self._own, self._cards, self._stopping = own, cards, stopping

    def routes(self, pages: Pages) -> list[Route]:
        return [
            self._own.route(pages, "/mine/agents", get=self._show),
            self._own.route(pages, "/mine/agents/stop", post=self._stop),
        ]

    async def _show(self, own: Own) -> Response:
        return own.page("agents.html", cards=await self._cards.of(own.principal))

    async def _stop(self, own: Own, form: Form) -> Response:
        wanted = form.all("agent")
        groups = [card.group for card in await self._cards.of(own.principal)]
        stopping = [group for group in groups if wanted & set(group.ids)]
        ids = {one for group in stopping for one in group.ids}
        if not wanted or not wanted <= ids:
            raise nothing()
        await self._stopping.stop(own.principal, ids)
        name = series([group.name for group in stopping])
        text = "It may do nothing for you from its next call on, and it is signed out."
        return own.done(f"{name} is stopped", text, "/mine/agents")
