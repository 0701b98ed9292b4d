"""The mail each person of the sandbox starts with. Every letter names its owner, so that mix-ups show."""

from dataclasses import dataclass

from valetkey.sandbox.people import ANA, BEN, CAROL, Person

UNREAD = ("INBOX", "UNREAD")
READ = ("INBOX",)


@dataclass(frozen=True, slots=True)
class Letter:
    """One seeded message; `hours` is how long before the sandbox started it arrived."""

    sender: str
    subject: str
    text: str
    hours: float
    labels: tuple[str, ...] = UNREAD


def _from(person: Person) -> str:
    return f"{person.name} <{person.email}>"


LETTERS: dict[str, tuple[Letter, ...]] = {
    ANA.email: (
        Letter(_from(BEN), "Lunch on Thursday?", "Hi Ana, the noodle place at noon? Ben", 1),
        Letter(
            _from(BEN), "Release notes draft", "Ana, could you check the part about refresh tokens? Ben", 2
        ),
        Letter(
            _from(BEN), "Keys to the meeting room", "Ana, I left the Lisbon room keys on your desk. Ben", 5
        ),
        Letter(
            _from(BEN), "Budget for Q3", "Ana, finance wants your numbers by Friday: 48,200 so far. Ben", 9
        ),
        Letter(
            _from(BEN),
            "Interview feedback",
            "Hi Ana, please add your notes on the Tuesday candidate. Ben",
            20,
        ),
        Letter(_from(BEN), "On call swap", "Ana, can you take my Sunday? I would take your Monday. Ben", 26),
        Letter(
            _from(BEN),
            "Photos from the offsite",
            "Ana, your talk turned out great. Album attached soon. Ben",
            30,
        ),
        Letter(
            _from(CAROL), "Contract with Northwind", "Ana, Northwind signed; countersign it please. Carol", 4
        ),
        Letter(_from(CAROL), "Customer visit", "Ana, Fabrikam comes to see you on the 14th. Carol", 50, READ),
        Letter(
            "Porto Rail <trips@rail.example>", "Your ticket to Porto", "Ana Almeida, seat 34A, 08:12.", 12
        ),
        Letter(
            "Code Host <noreply@code.example>",
            "[vault] Build 812 failed",
            "Ana, your branch broke 2 tests.",
            3,
        ),
        Letter(
            "Book Club <club@books.example>",
            "Next: The Dispossessed",
            "Dear Ana, we meet at yours.",
            100,
            READ,
        ),
    ),
    BEN.email: (
        Letter(
            "Climbing Hall <hi@climb.example>", "Membership renewed", "Ben Brandt, see you on the wall.", 2
        ),
        Letter(_from(CAROL), "Slides for Ben", "Ben, I moved your slide 7 to the appendix. Carol", 6),
        Letter(
            "Dr. Weiss <praxis@weiss.example>",
            "Appointment reminder",
            "Mr Brandt: Wednesday, 16:30.",
            8,
            READ,
        ),
        Letter(
            "Bike Shop <shop@bikes.example>",
            "Your wheel is ready",
            "Ben, the rear wheel is trued: 25 euros.",
            22,
        ),
    ),
    CAROL.email: (
        Letter(
            "Northwind Legal <legal@northwind.example>", "Signed contract", "Ms Chen, signed copy for you.", 5
        ),
        Letter(_from(BEN), "Pricing question", "Carol, does your list include support? Ben", 7),
        Letter("Choir <choir@song.example>", "Rehearsal moved", "Carol, altos start at 19:00 now.", 40, READ),
    ),
}
