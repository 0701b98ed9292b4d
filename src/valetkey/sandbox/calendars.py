"""The calendars of the sandbox's people: who has which, and what is planned. No HTTP.

An event is one thing that stands in the calendars of all who take part.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from valetkey.model import DAY, HOUR, MINUTE, Clock, Json
from valetkey.sandbox.people import ANA, BEN, CAROL, PEOPLE, Person

TEAM = "team@group.calendar.example"


@dataclass(slots=True)
class Event:
    """One event. `begins` and `ends` are epoch milliseconds; `details` has both as Google writes them.

    `answers` maps those who take part to their response; `calendar` is where it was made.
    """

    id: str
    calendar: str
    organizer: str
    begins: int
    ends: int
    details: dict[str, Json]
    answers: dict[str, str] = field(default_factory=dict)
    cancelled: bool = False
    updated: int = 0

    def on(self, calendar: str) -> bool:
        """Whether it stands in this calendar."""
        return calendar in (self.calendar, *self.answers)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar as one person sees it. `role` is Google's word for what they may do to it."""

    id: str
    summary: str
    role: str
    primary: bool = False

    @property
    def writable(self) -> bool:
        return self.role in ("owner", "writer")


Plan = tuple[str, str, tuple[Person, ...], int, float, int]

# Summary, place, who (the first invites), days from today, hour, minutes.
PLANS: tuple[Plan, ...] = (
    ("Ana and Ben: release notes", "Lisbon room", (BEN, ANA), 0, 10, 30),
    ("Dentist", "Rua da Prata 12", (ANA,), 1, 8.5, 45),
    ("Lunch with Ben", "The noodle place", (BEN, ANA), 2, 12, 60),
    ("Fabrikam visits Ana", "Porto room", (ANA, CAROL), 3, 14, 90),
    ("Climbing with the hall's Tuesday group", "Climbing Hall", (BEN,), 1, 18, 120),
    ("Slides with Carol", "Call", (CAROL, BEN), 1, 15, 45),
    ("Choir rehearsal", "Town hall", (CAROL,), 2, 19, 120),
    ("Northwind: contract call", "Call", (CAROL,), 0, 16, 30),
)

TEAM_PLANS: tuple[Plan, ...] = (
    ("Release 2.4", "", (BEN,), 2, 9, 30),
    ("Offsite planning", "Big room", (CAROL,), 4, 11, 60),
)


class Calendars:
    """Everybody's calendars, and the one the team shares."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[str, Event] = {}
        self.reset()

    def reset(self) -> None:
        """Put back what everyone starts with."""
        self._events = {}
        today = self._clock.now() // DAY * DAY
        for plans, shared in ((PLANS, None), (TEAM_PLANS, TEAM)):
            for summary, place, who, days, hour, minutes in plans:
                begins = today + days * DAY + int(hour * HOUR)
                event = self.new(shared or who[0].email, who[0].email, begins, begins + minutes * MINUTE)
                event.details |= {"summary": summary} | ({"location": place} if place else {})
                event.answers = {p.email: "needsAction" for p in who} if len(who) > 1 else {}
                if event.answers:
                    event.answers[who[0].email] = "accepted"
                self.keep(event)

    def of(self, account: str) -> list[Calendar]:
        """The calendars in one person's list."""
        team = Calendar(TEAM, "Team", "reader" if account == CAROL.email else "writer")
        return [Calendar(account, account, "owner", primary=True), team]

    def find(self, account: str, id_: str) -> Calendar | None:
        """Return a calendar of this person's list by its id, or the one called `primary`."""
        wanted = account if id_ == "primary" else id_.lower()
        return next((calendar for calendar in self.of(account) if calendar.id == wanted), None)

    def events(self, calendar: str) -> list[Event]:
        """What stands in a calendar, cancelled ones too, in the order they begin."""
        return sorted((e for e in self._events.values() if e.on(calendar)), key=lambda e: (e.begins, e.id))

    def event(self, calendar: str, id_: str) -> Event | None:
        """Return one event that stands in this calendar."""
        event = self._events.get(id_)
        return event if event and event.on(calendar) else None

    def new(self, calendar: str, organizer: str, begins: int, ends: int) -> Event:
        """Return an event that stands in no calendar yet: `keep` puts it there."""
        id_, span = f"sb{len(self._events) + 1:08d}", _span(begins, ends)
        return Event(id_, calendar, organizer, begins, ends, span)

    def keep(self, event: Event) -> None:
        """Put an event into its calendars, as changed now."""
        event.updated = self._clock.now()
        self._events[event.id] = event

    def busy(self, calendar: str, begins: int, ends: int) -> Iterator[tuple[int, int]]:
        """Yield the times within a span at which somebody is taken, joined where they touch."""
        here = [e for e in self.events(calendar) if not e.cancelled and e.begins < ends and e.ends > begins]
        taken = [(e.begins, e.ends) for e in here if e.answers.get(calendar) != "declined"]
        while taken:
            first, last = taken.pop(0)
            while taken and taken[0][0] <= last:
                last = max(last, taken.pop(0)[1])
            yield max(first, begins), min(last, ends)

    def is_somebody(self, calendar: str) -> bool:
        """Whether free and busy times can be asked for: of everyone here, and of the team."""
        return calendar in (TEAM, *(person.email for person in PEOPLE))


def rfc3339(milliseconds: int) -> str:
    """A moment as Google writes it, in UTC."""
    return (
        datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


def _span(begins: int, ends: int) -> dict[str, Json]:
    return {
        "start": {"dateTime": rfc3339(begins), "timeZone": "UTC"},
        "end": {"dateTime": rfc3339(ends), "timeZone": "UTC"},
    }
