"""The sandbox's people: the accounts each provider offers to sign in with. Their data is elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person. `member` is the id in the Slack team, `handle` the name there."""

    email: str
    name: str
    handle: str
    member: str


ANA = Person("ana@example.com", "Ana Almeida", "ana", "U0ANA00001")
BEN = Person("ben@example.com", "Ben Brandt", "ben", "U0BEN00002")
CAROL = Person("carol@example.com", "Carol Chen", "carol", "U0CAROL003")

PEOPLE = (ANA, BEN, CAROL)
BY_EMAIL = {person.email: person for person in PEOPLE}


def find_person(email: str) -> Person | None:
    """Return the person with this address, whatever its case."""
    return BY_EMAIL.get(email.strip().lower())
