"""The repositories on the sandbox's GitHub: who sees which, their issues and files. No HTTP."""

import hashlib
from dataclasses import dataclass, field

from valetkey.model import HOUR, Clock
from valetkey.sandbox.people import ANA, BEN, CAROL, Person

ORGANISATION = "sandbox-team"


@dataclass(slots=True)
class Comment:
    """One comment. Times are epoch milliseconds, here and below."""

    id: int
    author: Person
    text: str
    created: int


@dataclass(slots=True)
class Issue:
    """An issue; with `head` a pull request, which is an issue with a branch to be merged."""

    number: int
    author: Person
    title: str
    text: str
    created: int
    updated: int
    labels: tuple[str, ...] = ()
    head: str | None = None
    closed: bool = False
    reason: str | None = None
    comments: list[Comment] = field(default_factory=list)


@dataclass(slots=True)
class Repository:
    """A repository. `members` may write; others read it where it is not `private`."""

    owner: str
    name: str
    about: str
    members: tuple[Person, ...]
    files: dict[str, str]
    private: bool = True
    issues: list[Issue] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def visible_to(self, person: Person) -> bool:
        return not self.private or person in self.members

    def issue(self, number: int) -> Issue | None:
        return next((issue for issue in self.issues if issue.number == number), None)

    def tree(self) -> dict[str, str]:
        """Path to blob id (the SHA-1 git gives a file of this content), folders left out."""
        return {path: blob_id(text) for path, text in self.files.items()}

    def blob(self, sha: str) -> str | None:
        """Return the text behind a blob id."""
        return next((text for text in self.files.values() if blob_id(text) == sha), None)


def blob_id(text: str) -> str:
    """Git's id of a file's content."""
    content = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


Seed = tuple[Person, str, str, float, tuple[str, ...], str | None]

# Author, title, text, hours ago, labels, branch of a pull request.
VAULT: tuple[Seed, ...] = (
    (BEN, "Refresh tokens are renewed twice", "Seen in staging; two processes, one row.", 60, ("bug",), None),
    (ANA, "Rotate the staging keys", "Every Monday at 17:00.", 50, ("chore",), None),
    (ANA, "One lease per token set", "Fixes the double renewal.", 20, (), "lease"),
    (CAROL, "Northwind cannot export invoices", "They get an empty file. Ticket 118.", 6, ("bug",), None),
)
NOTES: tuple[Seed, ...] = (
    (ANA, "Read The Dispossessed", "The club meets at Ana's.", 90, (), None),
    (ANA, "Ask Ben about the photos", "From the offsite.", 30, (), None),
)
WALL: tuple[Seed, ...] = ((BEN, "Grade the new route", "Ben thinks 6b.", 12, (), None),)

FILES = {
    "README.md": "# vault\n\nKeeps what must not leak.\n",
    "src/vault/seal.py": '"""Sealing."""\n\n\ndef seal(text: str) -> str:\n    return text[::-1]\n',
    "docs/keys.md": "Keys are rotated on Mondays.\n",
}


def _repositories() -> list[tuple[Repository, tuple[Seed, ...]]]:
    team = (ANA, BEN, CAROL)
    return [
        (Repository(ORGANISATION, "vault", "What must not leak", team, FILES), VAULT),
        (Repository("ana", "notes", "Ana's own notes", (ANA,), {"list.md": "- bread\n"}), NOTES),
        (Repository("ben", "wall", "Ben's log", (BEN,), {"log.md": "Ben: 6b\n"}, private=False), WALL),
    ]


class Forge:
    """All repositories."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.repositories: list[Repository] = []
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Put back what there is at the start."""
        self.repositories, self._count = [], 0
        for repository, seeds in _repositories():
            self.repositories.append(repository)
            for author, title, text, hours, labels, head in seeds:
                issue = self.open(repository, author, title, text, labels)
                issue.head, issue.created = head, self._clock.now() - int(hours * HOUR)
                issue.updated = issue.created
        self.comment(self.repositories[0].issues[0], ANA, "I see it, too.")

    def visible_to(self, person: Person) -> list[Repository]:
        return [repository for repository in self.repositories if repository.visible_to(person)]

    def find(self, person: Person, owner: str, name: str) -> Repository | None:
        """Return a repository this person may see, whatever the case of its name."""
        full = f"{owner}/{name}".lower()
        return next((r for r in self.visible_to(person) if r.full_name.lower() == full), None)

    def open(
        self, repository: Repository, author: Person, title: str, text: str, labels: tuple[str, ...]
    ) -> Issue:
        """Open an issue now."""
        now = self._clock.now()
        issue = Issue(len(repository.issues) + 1, author, title, text, now, now, labels)
        repository.issues.append(issue)
        return issue

    def comment(self, issue: Issue, author: Person, text: str) -> Comment:
        """Add a comment now."""
        self._count += 1
        comment = Comment(1000 + self._count, author, text, self._clock.now())
        issue.comments.append(comment)
        self.touch(issue)
        return comment

    def touch(self, issue: Issue) -> None:
        """Note that an issue was changed now."""
        issue.updated = self._clock.now()
