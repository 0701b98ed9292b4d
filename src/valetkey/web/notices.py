"""/mine/notices: where a person is written to when something needs them, which takes a proof and a code.

An address that is left empty is one that is removed; the one it was is told so.
"""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from valetkey.errors import UsageError
from valetkey.notices import Given, Notices
from valetkey.pages import Form, Pages
from valetkey.pages.proof import Proof
from valetkey.store import Store
from valetkey.web.own import Own, OwnPages, nothing

PATH = "/mine/notices"
_ABOUT = "notices"


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong with what was sent: the address, its proof, or the code."""

    address: str = ""
    proof: str = ""
    code: str = ""
    status: int = 422


_NOTHING_WRONG = _Wrong(status=200)


class NoticesPage:
    """Takes an address, and the code that proves it."""

    def __init__(self, own: OwnPages, store: Store, notices: Notices, proof: Proof) -> None:
        self._own, self._store, self._proof = own, store, proof
        self._addresses, self._post = notices.addresses, notices.post

    def routes(self, pages: Pages) -> list[Route]:
        return [
            self._own.route(pages, PATH, get=self._show, post=self._give),
            self._own.route(pages, f"{PATH}/code", get=self._ask_for_code, post=self._prove),
        ]

    async def _show(self, own: Own) -> Response:
        return await self._page(own)

    async def _give(self, own: Own, form: Form) -> Response:
        if not self._post.reaches_people:
            raise nothing()
        address = form.one("address").strip()
        if wrong := await self._proof.wrong(own.session, form, _ABOUT):
            return await self._page(own, _Wrong(proof=wrong.text, status=wrong.status), address)
        if not address:
            return await self._remove(own)
        try:
            await self._post.send_code(own.principal, address)
        except UsageError as error:
            return await self._page(own, _Wrong(address=str(error)), address)
        return own.visit.see(f"{PATH}/code")

    async def _remove(self, own: Own) -> Response:
        if before := await self._addresses.remove(own.principal):
            await self._post.say_goodbye(before.address)
        return own.done("Nobody writes to you", "What needs you is on your pages, as before.", "/mine")

    async def _ask_for_code(self, own: Own) -> Response:
        if await self._proving(own) is None:
            return own.visit.see(PATH)
        return await self._code_page(own)

    async def _prove(self, own: Own, form: Form) -> Response:
        try:
            before = await self._addresses.prove(own.principal, form.one("code"))
        except UsageError as error:
            return await self._code_page(own, _Wrong(code=str(error)))
        if before:
            await self._post.say_goodbye(before.address)
        text = "You are written to when something needs you, and for nothing else."
        return own.done("The address is yours", text, "/mine")

    async def _proving(self, own: Own) -> Given | None:
        return await self._addresses.of(self._store, own.principal, proved=False)

    async def _page(self, own: Own, wrong: _Wrong = _NOTHING_WRONG, typed: str | None = None) -> Response:
        given = await self._addresses.of(self._store, own.principal)
        used = given.address if given else ""
        return own.page(
            "notices.html",
            status=wrong.status,
            possible=self._post.reaches_people,
            used=used,
            typed=used if typed is None else typed,
            wrong=wrong,
            ways=await self._proof.ways(own.session, _ABOUT),
        )

    async def _code_page(self, own: Own, wrong: _Wrong = _NOTHING_WRONG) -> Response:
        proving = await self._proving(own)
        address = proving.address if proving else ""
        return own.page("notices_code.html", status=wrong.status, address=address, wrong=wrong)
