"""/callback/<registration> and the page after it: back from a provider, and whose account is it?"""

from starlette.responses import Response
from starlette.routing import Route

from valetkey.connections import StoredLater, TurnedAway
from valetkey.errors import PageError
from valetkey.needs import Answers, Reading, Requests, Waiting
from valetkey.pages import Form, Pages, Visit, plain
from valetkey.pages.proof import Proof, Wrong
from valetkey.web.asked import AskedPerson, Hearing

_NOTHING_WRONG = Wrong(200, "")
_CHANGED = Wrong(409, "Another account arrived since this page was shown. Look again.")


class Arriving:
    """Receives people from providers."""

    def __init__(
        self, requests: Requests, people: AskedPerson, reading: Reading, answers: Answers, proof: Proof
    ) -> None:
        self._requests, self._people, self._reading = requests, people, reading
        self._answers, self._proof = answers, proof

    def routes(self, pages: Pages) -> list[Route]:
        return [
            pages.route("/callback/{registration}", get=self._arrive),
            self._people.route(pages, "/connect/{handle}/confirm", self._show, self._answer),
        ]

    async def _arrive(self, visit: Visit) -> Response:
        if visit.session is None:
            text = "You are not signed in here. Open the link again, in the browser where you began."
            raise PageError(403, "This did not work", text)
        registration, params = visit.request.path_params["registration"], visit.request.query_params
        try:
            request = await self._answers.arrive(registration, params.multi_items(), visit.session)
        except TurnedAway as away:
            return await self._not_yet(visit, away, "", "Back to the request")
        except StoredLater as later:
            return await self._not_yet(visit, later, "/confirm", "Go on")
        return visit.see(f"{self._people.path(request)}/confirm")

    async def _not_yet(
        self, visit: Visit, why: TurnedAway | StoredLater, onward: str, label: str
    ) -> Response:
        again = self._people.path(await self._requests.get(why.request)) + onward
        said = {"title": why.title, "text": why.text, "label": label}
        return visit.page("turned_away.html", status=why.status, again=again, **said)

    async def _show(self, hearing: Hearing) -> Response:
        waiting = await self._reading.confirming(hearing.request)
        return await self._page(hearing, waiting, _NOTHING_WRONG)

    async def _answer(self, hearing: Hearing, form: Form) -> Response:
        if form.one("decision") != "yes":
            await self._answers.reject(hearing.request)
            return hearing.visit.see(hearing.path)
        waiting = await self._reading.confirming(hearing.request)
        if wrong := await self._wrong(hearing, form, waiting):
            return await self._page(hearing, waiting, wrong)
        given = not hearing.visit.confirmed(hearing.request.id)  # then it counts for the next account, too
        onward = hearing.onward(await self._answers.confirm(hearing.request, hearing.session))
        return hearing.visit.confirm(onward, hearing.request.id) if given else onward

    async def _wrong(self, hearing: Hearing, form: Form, waiting: Waiting) -> Wrong | None:
        if form.one("shown") != _shown(waiting):  # they say yes to what they saw, and to nothing else
            return _CHANGED
        if hearing.visit.confirmed(hearing.request.id):
            return None
        return await self._proof.wrong(hearing.session, form, _about(hearing))

    async def _page(self, hearing: Hearing, waiting: Waiting, wrong: Wrong) -> Response:
        confirmed = hearing.visit.confirmed(hearing.request.id)
        return hearing.visit.page(
            "confirm.html",
            status=wrong.status,
            form_to=waiting.origins.values(),
            waiting=waiting,
            account=_account(waiting),
            shown=_shown(waiting),
            changed=wrong.text if wrong is _CHANGED else "",
            wrong_proof="" if wrong is _CHANGED else wrong.text,
            ways=None if confirmed else await self._proof.ways(hearing.session, _about(hearing)),
        )


def _about(hearing: Hearing) -> str:
    return f"account {hearing.request.id}"


def _account(waiting: Waiting) -> str:
    return plain(waiting.label) if waiting.label else "an account without a name"


def _shown(waiting: Waiting) -> str:
    """What a page asked about. A name alone is not enough: people have the same one in many places."""
    return f"{waiting.connector.name} {_account(waiting)}"
