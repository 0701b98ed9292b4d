"""/connect/<handle>: what an agent asks for, and a person's yes or no. Opening it changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlette.responses import Response
from starlette.routing import Route

from valetkey.connections import NotTaken
from valetkey.grants import LASTS, USES, Terms
from valetkey.needs import Answers, Asked, Choice, Reading
from valetkey.pages import Form, Pages
from valetkey.pages.proof import Proof
from valetkey.web.asked import AskedPerson, Hearing
from valetkey.web.sections import picked, sections, ticked_at_first, typed

_USUAL, _ANY_NUMBER = "8 hours", "any number"


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What is ticked on the page, and what is wrong with it. A secret that was typed is not among it.

    `away`: the agent may act while its person is away.
    """

    tools: frozenset[str]
    lasts: str = _USUAL
    uses: str = _ANY_NUMBER
    away: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)
    wrong_tools: str = ""
    wrong_proof: str = ""
    wrong_secrets: Mapping[str, str] = field(default_factory=dict)
    status: int = 200

    @property
    def terms(self) -> Terms:
        return Terms(LASTS[self.lasts], USES[self.uses], self.away)


class Connecting:
    """Shows access requests and takes the answers."""

    def __init__(self, people: AskedPerson, reading: Reading, answers: Answers, proof: Proof) -> None:
        self._people, self._reading, self._answers, self._proof = people, reading, answers, proof

    def routes(self, pages: Pages) -> list[Route]:
        return [self._people.route(pages, "/connect/{handle}", self._show, self._answer)]

    async def _show(self, hearing: Hearing) -> Response:
        asked = await self._reading.asked(hearing.request, {})
        return await self._page(hearing, asked, _Sheet(ticked_at_first(asked)))

    async def _answer(self, hearing: Hearing, form: Form) -> Response:
        if form.one("decision") != "allow":
            await self._answers.decline(hearing.request)
            return hearing.visit.see(hearing.path)
        sheet = await self._checked(hearing, form)
        if sheet.status == 200:
            try:
                return await self._allowed(hearing, sheet, form)
            except NotTaken as refused:
                wrong = {refused.connector: refused.text}
                sheet = replace(sheet, wrong_secrets=wrong, status=refused.status)
        asked = await self._reading.asked(hearing.request, sheet.accounts)
        return await self._page(hearing, asked, sheet)

    async def _checked(self, hearing: Hearing, form: Form) -> _Sheet:
        tools, lasts, accounts = form.all("tool"), form.one("lasts"), picked(form)
        uses = form.one("uses") or _ANY_NUMBER
        if lasts not in LASTS or uses not in USES:
            return _Sheet(tools, accounts=accounts, wrong_tools="Choose for how long.", status=422)
        sheet = _Sheet(tools, lasts, uses, form.one("away") == "yes", accounts)
        if not tools:
            text = "Tick at least one thing it may do, or choose Deny."
            return replace(sheet, wrong_tools=text, status=422)
        if wrong := await self._proof.wrong(hearing.session, form, hearing.request.id):
            return replace(sheet, wrong_proof=wrong.text, status=wrong.status)
        return sheet

    async def _allowed(self, hearing: Hearing, sheet: _Sheet, form: Form) -> Response:
        """Send the person on: to a provider, to the account they have just pasted a secret of, or back."""
        choice = Choice(sheet.tools, sheet.terms, sheet.accounts, typed(form))
        to = await self._answers.approve(hearing.request, hearing.session, choice)
        return hearing.visit.confirm(hearing.onward(to), hearing.request.id)

    async def _page(self, hearing: Hearing, asked: Asked, sheet: _Sheet) -> Response:
        return hearing.visit.page(
            "connect.html",
            status=sheet.status,
            form_to=asked.origins.values(),
            asked=asked,
            sections=sections(asked, sheet.tools, sheet.wrong_secrets),
            choice=sheet,
            spans=list(LASTS),
            counts=list(USES),
            ways=await self._proof.ways(hearing.session, hearing.request.id),
        )
