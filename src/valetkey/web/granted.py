"""/mine/grants/<id>: one grant, and its person's ways to take from it, to add to it, and to end it.

The way to take away takes no password and can add nothing, whatever is sent to it.
"""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import UsageError
from valetkey.grants import KEEP, LASTS, USES, Grants, Less, More
from valetkey.manifest import Tool
from valetkey.pages import Form, Pages, tool_title
from valetkey.pages.proof import Proof
from valetkey.web.cards import Cards, Sheet
from valetkey.web.groups import Group
from valetkey.web.own import Own, OwnPages, nothing


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong with what was sent: in the form that takes away, in the one that adds, in its proof."""

    less: str = ""
    more: str = ""
    proof: str = ""
    status: int = 200


_NOTHING_WRONG = _Wrong()


class Granted:
    """Shows and changes a grant."""

    def __init__(self, own: OwnPages, cards: Cards, grants: Grants, proof: Proof) -> None:
        self._own, self._cards, self._grants, self._proof = own, cards, grants, proof

    def routes(self, pages: Pages) -> list[Route]:
        path = "/mine/grants/{id}"
        return [
            self._own.route(pages, path, get=self._show),
            self._own.route(pages, f"{path}/narrow", post=self._narrow),
            self._own.route(pages, f"{path}/extend", post=self._extend),
            self._own.route(pages, f"{path}/revoke", post=self._revoke),
        ]

    async def _show(self, own: Own) -> Response:
        return await self._page(own, *await self._found(own))

    async def _narrow(self, own: Own, form: Form) -> Response:
        group, sheet = await self._found(own)
        allowed = {tool.name for tool in self._cards.words.tools_of(sheet.grant)}
        if not allowed & form.all("keep"):
            text = "Then nothing would be left. Revoke it instead, below."
            return await self._page(own, group, sheet, _Wrong(less=text, status=422))
        try:
            await self._grants.narrow(own.principal, own.id(), _less(form, allowed))
        except UsageError:
            wrong = _Wrong(less="That takes nothing away. Untick something first.", status=422)
            return await self._page(own, group, sheet, wrong)
        return own.visit.see(f"/mine/agents#{own.id()}")

    async def _extend(self, own: Own, form: Form) -> Response:
        group, sheet = await self._found(own)
        if wrong := await self._proof.wrong(own.session, form, own.id()):
            return await self._page(own, group, sheet, _Wrong(proof=wrong.text, status=wrong.status))
        offered = {tool.name for tool in self._others(sheet)}
        try:
            await self._grants.extend(own.principal, own.id(), _more(form, offered))
        except UsageError:
            text = "That is no more than it has. Choose something first."
            return await self._page(own, group, sheet, _Wrong(more=text, status=422))
        return own.visit.see(f"/mine/agents#{own.id()}")

    async def _revoke(self, own: Own, form: Form) -> Response:
        group, _ = await self._found(own)
        try:
            await self._grants.revoke(own.principal, own.id())
        except UsageError:  # it ended just now
            raise nothing() from None
        text = "It is refused from its next call on. Your account stays connected."
        return own.done(f"{group.name} may no longer do this", text, "/mine/agents")

    async def _found(self, own: Own) -> tuple[Group, Sheet]:
        found = await self._cards.sheet(own.principal, own.id())
        if found is None:
            raise nothing()
        return found

    def _others(self, sheet: Sheet) -> list[Tool]:
        """The tools of its accounts' connectors that a grant does not allow."""
        allowed = set(self._cards.words.tools_of(sheet.grant))
        return [
            tool
            for name in sorted({account.connector for account in sheet.accounts})
            for tool in self._cards.words.offered(name)
            if tool not in allowed
        ]

    async def _page(self, own: Own, group: Group, sheet: Sheet, wrong: _Wrong = _NOTHING_WRONG) -> Response:
        grant, now = sheet.grant, own.visit.now
        return own.page(
            "granted.html",
            status=wrong.status,
            group=group,
            sheet=sheet,
            tools=sorted(self._cards.words.tools_of(grant), key=tool_title),
            others=self._others(sheet),
            sooner=[said for said, lasts in LASTS.items() if _is_less(lasts, grant.until, now)],
            later=[said for said, lasts in LASTS.items() if _is_more(lasts, grant.until, now)],
            oftener=[said for said, uses in USES.items() if _is_oftener(uses, sheet.left)],
            wrong=wrong,
            ways=await self._proof.ways(own.session, grant.id),
        )


def _less(form: Form, allowed: set[str]) -> Less:
    """What a form takes away of the tools that are allowed. A span it does not offer is none."""
    without, lasts = frozenset(allowed - form.all("keep")), LASTS.get(form.one("lasts"))
    return Less(without, lasts, present=form.one("away") != "yes")


def _more(form: Form, offered: set[str]) -> More:
    """What a form adds of the tools that are offered. What it does not offer stays as it is."""
    lasts, uses = LASTS.get(form.one("lasts"), KEEP), USES.get(form.one("uses"), KEEP)
    return More(frozenset(offered & form.all("tool")), lasts, uses, form.one("away") == "yes")


def _is_less(lasts: int | None, until: int | None, now: int) -> bool:
    return lasts is not None and (until is None or now + lasts < until)


def _is_more(lasts: int | None, until: int | None, now: int) -> bool:
    return until is not None and (lasts is None or now + lasts > until)


def _is_oftener(uses: int | None, left: int | None) -> bool:
    return left is not None and (uses is None or uses > left)
