"""How Google writes an event, and how what a client writes is read into one."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from valetkey.errors import ValetkeyError
from valetkey.model import Json
from valetkey.sandbox.calendars import Event, rfc3339

LISTED = ("summary", "description", "location")
KEPT = (*LISTED, "recurrence", "reminders", "transparency", "visibility", "conferenceData")
ANSWERS = ("needsAction", "declined", "tentative", "accepted")

Moment = int
"""Epoch milliseconds."""


class FieldsError(ValetkeyError):
    """What a client wrote about an event cannot be used."""


def view(event: Event, account: str) -> Json:
    """An event as one person sees it."""
    shown = {
        "kind": "calendar#event",
        "id": event.id,
        "status": "cancelled" if event.cancelled else "confirmed",
        "htmlLink": f"https://www.google.com/calendar/event?eid={event.id}",
        "updated": rfc3339(event.updated),
        **event.details,
        "organizer": _person(event.organizer, account),
        "iCalUID": f"{event.id}@google.com",
        "eventType": "default",
    }
    return shown | ({"attendees": list(_attendees(event, account))} if event.answers else {})


def _attendees(event: Event, account: str) -> list[Json]:
    return [
        {**_person(email, account), "responseStatus": answer}
        | ({"organizer": True} if email == event.organizer else {})
        for email, answer in event.answers.items()
    ]


def _person(email: str, account: str) -> Json:
    return {"email": email} | ({"self": True} if email == account else {})


def change(event: Event, form: Json) -> None:
    """Put what a client wrote into an event, lists whole. Raises FieldsError, and then changes nothing."""
    span = {name: form.get(name, event.details[name]) for name in ("start", "end")}
    begins, ends = edge(span["start"], "start"), edge(span["end"], "end")
    if ends <= begins:
        raise FieldsError("The specified time range is empty.")
    answers = _answers(form["attendees"]) if "attendees" in form else event.answers
    event.begins, event.ends, event.answers = begins, ends, answers
    event.details |= span | {name: form[name] for name in KEPT if name in form}


def _answers(attendees: Json) -> dict[str, str]:
    try:
        given = {str(a["email"]).lower(): str(a.get("responseStatus", "needsAction")) for a in attendees}
    except (LookupError, TypeError, AttributeError):
        raise FieldsError("Missing attendee email.") from None
    if not set(given.values()) <= set(ANSWERS) or not all("@" in email for email in given):
        raise FieldsError("Invalid attendee.")
    return given


def edge(value: Json, name: str) -> Moment:
    """Read a `start` or `end`: a whole day, or a moment with an offset or a zone. Raises FieldsError."""
    try:
        if "date" in value:
            return _milliseconds(datetime.strptime(value["date"], "%Y-%m-%d").replace(tzinfo=UTC))
        when = datetime.fromisoformat(value["dateTime"])
        if when.tzinfo is None:
            when = when.replace(tzinfo=ZoneInfo(value["timeZone"]))
        return _milliseconds(when)
    except KeyError:
        raise FieldsError(f"Missing time zone definition for {name} time.") from None
    except (TypeError, ValueError, ZoneInfoNotFoundError):
        raise FieldsError(f"Invalid {name} time.") from None


def moment(text: Json) -> Moment:
    """Read a moment, which must have its offset. Raises FieldsError."""
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise FieldsError("not a time") from None
    if when.tzinfo is None:
        raise FieldsError("a time without an offset")
    return _milliseconds(when)


def _milliseconds(when: datetime) -> Moment:
    return int(when.timestamp() * 1000)
