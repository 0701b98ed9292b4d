"""The sandbox's Google Calendar API: calendars, events and free/busy of whoever's token came.

Recurring events are kept as they are written and never expanded; there are no sync tokens and no ETags.
"""

from starlette.requests import Request
from starlette.routing import Route

from valetkey.model import HOUR, Json
from valetkey.sandbox.calendar_shapes import LISTED, FieldsError, Moment, change, moment, view
from valetkey.sandbox.calendars import Calendar, Calendars, Event, rfc3339
from valetkey.sandbox.google_api import ApiError, GoogleApi, body, invalid, not_found, page, scopes
from valetkey.sandbox.ledger import Access
from valetkey.sandbox.provider import Provider

SEE_LIST = scopes("calendar", "calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly")
WRITE = scopes("calendar", "calendar.events")
READ = WRITE | scopes("calendar.readonly", "calendar.events.readonly")
FREE_BUSY = scopes("calendar", "calendar.readonly", "calendar.freebusy", "calendar.events.freebusy")

EVENTS = "/calendars/{calendar}/events"
UPDATES = ("all", "externalOnly", "none")


class CalendarApi:
    """The API over everybody's calendars."""

    def __init__(self, provider: Provider, calendars: Calendars) -> None:
        self._provider, self._calendars = provider, calendars

    def routes(self) -> list[Route]:
        route = GoogleApi(self._provider, "/calendar/v3").route
        return [
            route("GET", "/users/me/calendarList", SEE_LIST, self.list),
            route("GET", "/users/me/calendarList/{calendar}", SEE_LIST, self.entry),
            route("GET", EVENTS, READ, self.events),
            route("POST", EVENTS, WRITE, self.insert),
            route("POST", EVENTS + "/quickAdd", WRITE, self.quick_add),
            route("GET", EVENTS + "/{event}", READ, self.get),
            route("PATCH", EVENTS + "/{event}", WRITE, self.patch),
            route("DELETE", EVENTS + "/{event}", WRITE, self.delete),
            route("POST", "/freeBusy", FREE_BUSY, self.free_busy),
        ]

    async def list(self, request: Request, access: Access) -> Json:
        entries = [_entry(calendar) for calendar in self._calendars.of(access.account)]
        return {"kind": "calendar#calendarList", "items": [], **page(request, entries, "items", 100, 250)}

    async def entry(self, request: Request, access: Access) -> Json:
        return _entry(self._calendar(request, access))

    async def events(self, request: Request, access: Access) -> Json:
        """What stands in a calendar, between `timeMin` and `timeMax`, holding the words of `q`."""
        query, calendar = request.query_params, self._calendar(request, access)
        if query.get("orderBy") == "startTime" and query.get("singleEvents") != "true":
            raise invalid("The requested ordering is not available for the particular query.")
        least, most = _bound(query.get("timeMin"), 0), _bound(query.get("timeMax"), 1 << 62)
        here = [e for e in self._calendars.events(calendar.id) if e.ends > least and e.begins < most]
        shown = [e for e in here if not e.cancelled and _holds(e, query.get("q", ""))]
        items = [view(event, access.account) for event in shown]
        head = {"kind": "calendar#events", "summary": calendar.summary, "timeZone": "UTC", "items": []}
        return {**head, "accessRole": calendar.role, **page(request, items, "items", 250, 2500)}

    async def get(self, request: Request, access: Access) -> Json:
        return view(self._event(request, access), access.account)

    async def insert(self, request: Request, access: Access) -> Json:
        calendar, form = self._writable(request, access), await body(request)
        if "start" not in form or "end" not in form:
            raise invalid("Missing end time." if "start" in form else "Missing start time.")
        event = self._calendars.new(calendar.id, access.account, 0, 0)
        return self._changed(request, access, event, form)

    async def quick_add(self, request: Request, access: Access) -> Json:
        """The whole text becomes the summary, at the next full hour: Google reads more out of it."""
        calendar, text = self._writable(request, access), request.query_params.get("text", "")
        if not text:
            raise invalid("Missing required parameter: text")
        begins = (self._provider.clock.now() // HOUR + 1) * HOUR
        event = self._calendars.new(calendar.id, access.account, begins, begins + HOUR)
        return self._changed(request, access, event, {"summary": text})

    async def patch(self, request: Request, access: Access) -> Json:
        """Who did not make an event may only answer it."""
        self._writable(request, access)
        event, form = self._event(request, access), await body(request)
        if event.organizer != access.account:
            form = _own_answer(event, access.account, form)
        return self._changed(request, access, event, form)

    async def delete(self, request: Request, access: Access) -> Json:
        """The organizer cancels for all; everybody else takes it out of their own calendar."""
        self._writable(request, access)
        event = self._event(request, access)
        if event.cancelled:
            raise ApiError(410, "GONE", "Resource has been deleted")
        self._told(request, access, event, "cancelled")
        if event.organizer == access.account:
            event.cancelled = True
        else:
            event.answers.pop(access.account, None)
        self._calendars.keep(event)

    async def free_busy(self, request: Request, access: Access) -> Json:
        form = await body(request)
        try:
            least, most = moment(form["timeMin"]), moment(form["timeMax"])
            asked = [str(item["id"]) for item in form.get("items", [])]
        except (FieldsError, LookupError, TypeError) as problem:
            raise invalid(f"Bad Request: {problem}") from None
        names = {id_: access.account if id_ == "primary" else id_ for id_ in asked}
        busy = {id_: self._busy(name, least, most) for id_, name in names.items()}
        span = {"timeMin": rfc3339(least), "timeMax": rfc3339(most)}
        return {"kind": "calendar#freeBusy", **span, "calendars": busy}

    def _busy(self, calendar: str, least: Moment, most: Moment) -> Json:
        if not self._calendars.is_somebody(calendar):
            return {"errors": [{"domain": "global", "reason": "notFound"}], "busy": []}
        spans = self._calendars.busy(calendar, least, most)
        return {"busy": [{"start": rfc3339(begins), "end": rfc3339(ends)} for begins, ends in spans]}

    def _changed(self, request: Request, access: Access, event: Event, form: Json) -> Json:
        try:
            change(event, form)
        except FieldsError as problem:
            raise invalid(str(problem)) from None
        self._calendars.keep(event)
        self._told(request, access, event, "invited")
        return view(event, access.account)

    def _told(self, request: Request, access: Access, event: Event, what: str) -> None:
        """Count the mail that `sendUpdates` asks for."""
        updates = request.query_params.get("sendUpdates", "none")
        if updates not in UPDATES:
            raise invalid(f"Invalid value at 'sendUpdates': {updates[:40]!r}")
        to = sorted(set(event.answers) - {access.account})
        if updates == "all" and to:
            said = {"from": access.account, "to": to, what: event.details.get("summary", "")}
            self._provider.counters.posted.append(said)

    def _calendar(self, request: Request, access: Access) -> Calendar:
        calendar = self._calendars.find(access.account, request.path_params["calendar"])
        if calendar is None:
            raise not_found()
        return calendar

    def _writable(self, request: Request, access: Access) -> Calendar:
        calendar = self._calendar(request, access)
        if not calendar.writable:
            raise ApiError(403, "PERMISSION_DENIED", "You need to have writer access to this calendar.")
        return calendar

    def _event(self, request: Request, access: Access) -> Event:
        calendar = self._calendar(request, access)
        event = self._calendars.event(calendar.id, request.path_params["event"])
        if event is None:
            raise not_found()
        return event


def _own_answer(event: Event, account: str, form: Json) -> Json:
    """What is left of a change by somebody who was invited: their own response."""
    if set(form) - {"attendees"}:
        raise ApiError(403, "PERMISSION_DENIED", "Shared properties can only be changed by the organizer.")
    theirs = [entry for entry in form.get("attendees", []) if entry.get("email") == account]
    kept = [{"email": email, "responseStatus": answer} for email, answer in event.answers.items()]
    return {"attendees": [entry for entry in kept if entry["email"] != account] + theirs}


def _bound(text: str | None, default: Moment) -> Moment:
    try:
        return default if text is None else moment(text)
    except FieldsError:
        raise invalid("Bad Request") from None


def _holds(event: Event, words: str) -> bool:
    text = " ".join(str(event.details.get(name, "")) for name in LISTED) + " " + " ".join(event.answers)
    return all(word in text.lower() for word in words.lower().split())


def _entry(calendar: Calendar) -> Json:
    entry = {
        "kind": "calendar#calendarListEntry",
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": "UTC",
        "accessRole": calendar.role,
    }
    return entry | ({"primary": True} if calendar.primary else {})
