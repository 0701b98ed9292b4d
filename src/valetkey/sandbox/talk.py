"""The Slack team of the sandbox: its channels, who is in them, and what was said. No HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from valetkey.model import HOUR, Clock
from valetkey.sandbox.people import ANA, BEN, CAROL, Person


@dataclass(slots=True)
class Said:
    """One message. `ts` is Slack's id of it: seconds with six decimals. `reactions`: name to who reacted."""

    ts: str
    person: Person
    text: str
    thread_ts: str | None = None
    edited: bool = False
    reactions: dict[str, list[Person]] = field(default_factory=dict)


@dataclass(slots=True)
class Channel:
    """A channel, and its messages, oldest first."""

    id: str
    name: str
    topic: str
    members: tuple[Person, ...]
    private: bool = False
    archived: bool = False
    said: list[Said] = field(default_factory=list)

    def visible_to(self, person: Person) -> bool:
        return not self.private or person in self.members

    def message(self, ts: str) -> Said | None:
        return next((said for said in self.said if said.ts == ts), None)

    def thread(self, ts: str) -> list[Said]:
        """A message and what was said in reply to it, oldest first."""
        return [said for said in self.said if ts in (said.ts, said.thread_ts)]


SAID: dict[str, tuple[tuple[Person, float, str], ...]] = {
    "general": (
        (CAROL, 70, "Welcome to the Sandbox Team!"),
        (BEN, 28, "Release 2.4 goes out on Thursday."),
        (ANA, 27, "The release notes for 2.4 are in review."),
    ),
    "sales": ((CAROL, 4, "Northwind signed."), (BEN, 3, "The quote for Fabrikam goes out tomorrow.")),
    "support": (
        (BEN, 6, "Ticket 118: Northwind cannot export invoices."),
        (CAROL, 5, "Ticket 118 is mine; I call Northwind today."),
    ),
    "random": ((BEN, 3, "The noodle place has a new menu."), (ANA, 2, "Noodles on Thursday, then.")),
    "eng": (
        (ANA, 9, "Rotating the staging keys at 17:00."),
        (BEN, 8, "Build 812 failed on two vault tests."),
    ),
}


def _channels() -> list[Channel]:
    return [
        Channel("C0GENERAL1", "general", "Announcements and everything else", (ANA, BEN, CAROL)),
        Channel("C0SUPPORT2", "support", "Tickets from customers", (ANA, BEN, CAROL)),
        Channel("C0SALES006", "sales", "Quotes and contracts", (BEN, CAROL)),
        Channel("C0RANDOM03", "random", "Not work", (ANA, BEN)),
        Channel("C0ENG00004", "eng", "Engineering, in private", (ANA, BEN), private=True),
        Channel("C0ATTIC005", "attic", "What we no longer do", (ANA, BEN, CAROL), archived=True),
    ]


class Workspace:
    """All channels of the one team."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.channels: list[Channel] = []
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Put back the channels and what was said at the start."""
        self.channels, self._count = _channels(), 0
        now = self._clock.now()
        for channel in self.channels:
            for person, hours, text in SAID.get(channel.name, ()):
                self._add(channel, person, text, now - int(hours * HOUR))

    def find(self, name: str) -> Channel | None:
        """Return a channel by its id or its name, with or without #."""
        return next((c for c in self.channels if name in (c.id, c.name, f"#{c.name}")), None)

    def visible_to(self, person: Person) -> list[Channel]:
        return [channel for channel in self.channels if channel.visible_to(person)]

    def say(self, channel: Channel, person: Person, text: str, thread_ts: str | None = None) -> Said:
        """Post a message now."""
        return self._add(channel, person, text, self._clock.now(), thread_ts)

    def search(self, person: Person, words: Iterable[str]) -> list[tuple[Channel, Said]]:
        """Messages in the person's own channels that hold every word, newest first."""
        found = [
            (channel, said)
            for channel in self.channels
            if person in channel.members
            for said in channel.said
            if all(_holds(channel, said, word.lower()) for word in words)
        ]
        return sorted(found, key=lambda pair: float(pair[1].ts), reverse=True)

    def _add(
        self, channel: Channel, person: Person, text: str, at: int, thread_ts: str | None = None
    ) -> Said:
        self._count += 1
        said = Said(f"{at // 1000}.{self._count:06d}", person, text, thread_ts)
        channel.said.append(said)
        return said


def _holds(channel: Channel, said: Said, word: str) -> bool:
    operator, _, value = word.partition(":")
    if operator == "from":
        return value.lstrip("@") in (said.person.handle, said.person.member.lower())
    if operator == "in":
        return value.lstrip("#") in (channel.name, channel.id.lower())
    return word in said.text.lower()
