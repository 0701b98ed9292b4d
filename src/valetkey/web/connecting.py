"""/connect/<handle>: what an agent asks for, and a person's yes or no. Opening it changes nothing."""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.grants import LASTS
from valetkey.manifest import Tool
from valetkey.model import Effect
from valetkey.needs import Answers, Asked
from valetkey.pages import EFFECTS, Form, Pages
from valetkey.people import Session
from valetkey.web.asked import AskedPerson, Hearing
from valetkey.web.proof import Proof

_USUAL = "8 hours"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What is ticked on the page, and what is wrong with it."""

    tools: frozenset[str]
    lasts: str = _USUAL
    wrong_tools: str = ""
    wrong_password: str = ""
    status: int = 200


class Connecting:
    """Shows access requests and takes the answers."""

    def __init__(self, people: AskedPerson, answers: Answers, proof: Proof) -> None:
        self._people, self._answers, self._proof = people, answers, proof

    def routes(self, pages: Pages) -> list[Route]:
        return [self._people.route(pages, "/connect/{handle}", self._show, self._answer)]

    async def _show(self, hearing: Hearing) -> Response:
        asked = await self._answers.asked(hearing.request)
        return _page(hearing, asked, _Choice(_ticked_at_first(asked)))

    async def _answer(self, hearing: Hearing, form: Form) -> Response:
        if form.one("decision") != "allow":
            await self._answers.decline(hearing.request)
            return hearing.visit.see(hearing.path)
        choice = await self._checked(hearing.session, form)
        if choice.status != 200:
            return _page(hearing, await self._answers.asked(hearing.request), choice)
        return await self._allowed(hearing, choice)

    async def _checked(self, session: Session, form: Form) -> _Choice:
        tools, lasts = form.all("tool"), form.one("lasts")
        if lasts not in LASTS:
            return _Choice(tools, wrong_tools="Choose for how long.", status=422)
        if not tools:
            text = "Tick at least one thing it may do, or choose Deny."
            return _Choice(tools, lasts, wrong_tools=text, status=422)
        if wrong := await self._proof.wrong(session, form.one("password")):
            return _Choice(tools, lasts, wrong_password=wrong.text, status=wrong.status)
        return _Choice(tools, lasts)

    async def _allowed(self, hearing: Hearing, choice: _Choice) -> Response:
        """Send the person to the provider, or back to their page where it says that all is done."""
        request, visit = hearing.request, hearing.visit
        url = await self._answers.approve(request, hearing.session, choice.tools, LASTS[choice.lasts])
        return visit.see(hearing.path) if url is None else visit.confirm(visit.see(url), request.id)


def _ticked_at_first(asked: Asked) -> frozenset[str]:
    """Only what was asked for, and never what destroys: that is ticked by a person."""
    tools = (offered.tool for offered in asked.tools if offered.asked)
    return frozenset(tool.name for tool in tools if tool.effect is not Effect.DESTROY)


def _scopes(tools: list[Tool]) -> dict[str, list[Tool]]:
    """The provider's scopes, and the tools that need each."""
    scopes = sorted({scope for tool in tools for scope in tool.scopes})
    return {scope: [tool for tool in tools if scope in tool.scopes] for scope in scopes}


def _page(hearing: Hearing, asked: Asked, choice: _Choice) -> Response:
    first = [offered.tool for offered in asked.tools if offered.asked]
    more = [offered.tool for offered in asked.tools if not offered.asked]
    more.sort(key=lambda tool: list(EFFECTS).index(tool.effect))  # what deletes comes last
    return hearing.visit.page(
        "connect.html",
        status=choice.status,
        form_to=asked.origin,
        asked=asked,
        first=first,
        more=more,
        more_open=any(tool.name in choice.tools for tool in more),
        scopes=_scopes([*first, *more]),
        choice=choice,
        spans=list(LASTS),
        name=hearing.name,
    )
