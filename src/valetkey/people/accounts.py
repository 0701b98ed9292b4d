"""Local accounts: a name, a random subject that never changes, an invitation and a password."""

import base64
import json
import re
from dataclasses import dataclass

from valetkey.errors import PageError, UsageError
from valetkey.model import DAY, Clock, Ids, Principal, Randomness
from valetkey.people.passwords import Passwords
from valetkey.people.sessions import TABLE as SESSIONS
from valetkey.people.sessions import end_browsers
from valetkey.people.tries import Burst, Tries, joined
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing, Purpose
from valetkey.vault.rows import BoundRows, Table

LOCAL = "local"
"""The issuer key of our own people."""

INVITED_FOR = 7 * DAY
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be acted for. One of our own has `joined` with a password, by `name`, or a passkey.

    Anybody else is somebody whom another issuer vouches for; their name is for showing alone.
    """

    principal: Principal
    name: str
    owner: bool
    joined: bool
    has_password: bool = False

    @property
    def subject(self) -> str:
        return self.principal.subject


class Accounts:
    """Adds people, turns invitations into passwords, and checks passwords at a bearable pace."""

    def __init__(self, store: Store, keys: KeyRing, ids: Ids, clock: Clock, randomness: Randomness) -> None:
        self._store, self._keys, self._ids, self._clock, self._randomness = (
            store,
            keys,
            ids,
            clock,
            randomness,
        )
        self._passwords, self._tries = Passwords(randomness), Tries(store, clock)
        self._people, self._invitations = BoundRows(keys, PEOPLE), BoundRows(keys, INVITATIONS)
        self._sessions = BoundRows(keys, SESSIONS)

    async def add(self, tx: Transaction, name: str) -> Person:
        """Add a person; the first one is the owner. Raises UsageError: the name is taken or unusable."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"`{name}` cannot be a name: use a-z, 0-9, dot, dash, underscore (63 at most)")
        if await tx.one("SELECT 1 FROM people WHERE issuer = 'local' AND name = $1", name):
            raise UsageError(
                f"there is a person named `{name}` already; `valetkey people list` shows everyone"
            )
        owner = await tx.one("SELECT 1 FROM people WHERE issuer = 'local' LIMIT 1") is None
        person = Person(Principal(LOCAL, self._ids.new("per")), name, owner=owner, joined=False)
        now, subject = self._clock.now(), person.subject
        await self._people.insert(tx, issuer=LOCAL, subject=subject, name=name, owner=int(owner), created=now)
        return person

    async def invite(self, tx: Transaction, person: Person) -> str:
        """Return the secret of a new invitation, good once for seven days; it replaces any other."""
        secret = base64.urlsafe_b64encode(self._randomness(24)).decode()
        await tx.run("DELETE FROM invitations WHERE subject = $1", person.subject)
        until = self._clock.now() + INVITED_FOR
        await self._invitations.insert(tx, digest=self._digest(secret), subject=person.subject, until=until)
        return secret

    async def invited(self, db: Reads, secret: str) -> Person:
        """Return whom an invitation is for. Raises PageError 404: unknown, used or expired."""
        values = (self._digest(secret), self._clock.now())
        invited = self._invitations.good(await db.one(_INVITED, *values))
        row = await self._one(db, Principal(LOCAL, invited["subject"])) if invited else None
        if row is None:
            text = "Invitations work once, for seven days. Ask the operator for a new one."
            raise PageError(404, "This invitation is not open", text)
        return _person(row)

    async def join(self, secret: str, password: str) -> Person:
        """Use up an invitation and set the password. Raises PageError 404, UsageError."""
        stored = await self._passwords.hashed(password)
        async with self._store.transaction() as tx:
            person = await self.begin_anew(tx, secret)
            await self.set_password(tx, person.principal, stored)
        return await self.get(self._store, person.principal)

    async def begin_anew(self, tx: Transaction, secret: str) -> Person:
        """Use up an invitation and with it every way its person had to sign in; they choose one now.

        Whoever was signed in before no longer is. Raises PageError 404.
        """
        person = await self.invited(tx, secret)
        await self._invitations.change(tx, self._digest(secret), used=self._clock.now())
        await self.set_password(tx, person.principal, None)
        sql = "DELETE FROM passkeys WHERE issuer = $1 AND subject = $2"
        await tx.run(sql, person.principal.issuer, person.subject)
        return person

    async def hashed(self, password: str) -> str:
        """Return what is kept of a new password. Raises UsageError: too short or too long."""
        return await self._passwords.hashed(password)

    async def set_password(
        self, tx: Transaction, principal: Principal, stored: str | None, keep: str | None = None
    ) -> None:
        """Set a password, or none, to what `hashed` made of it.

        It ends every session of theirs in a browser but `keep`, and what they wait for after wrong ones.
        """
        await self._people.change(tx, principal.issuer, principal.subject, password=stored)
        await end_browsers(tx, self._sessions, principal, self._clock.now(), keep=keep)
        person = await self.get(tx, principal)
        await self._tries.forget(tx, self._signing_in(person.name))
        await self._tries.forget(tx, self._confirming(principal))

    async def sign_in(self, name: str, password: str) -> Person | None:
        """Return the person whose name and password these are, or None.

        Raises PageError 429 after five wrong passwords for one name: the wait doubles from a second
        up to fifteen minutes, and ends with the right password.
        """
        row = await self._typed(self._store, name)
        right = await self._is_right(row, password, self._signing_in(name))
        return _person(row) if row and right else None

    async def confirm(self, principal: Principal, password: str) -> bool:
        """Whether this is a person's password, at the pace of signing in and with a count of its own.

        Anybody can guess at a name; that must not keep its person, who is signed in, from deciding.
        """
        row = await self._one(self._store, principal)
        return await self._is_right(row, password, self._confirming(principal))

    async def lock_out(self, tx: Transaction, person: Person) -> None:
        """Take every way from a person in which they could sign in. They are still somebody here."""
        who = (person.principal.issuer, person.subject)
        await self.set_password(tx, person.principal, None)
        await tx.run("DELETE FROM passkeys WHERE issuer = $1 AND subject = $2", *who)
        await tx.run("DELETE FROM invitations WHERE subject = $1", person.subject)

    async def remove(self, tx: Transaction, person: Person) -> None:
        """Forget a person and every way in which they could show that they are it."""
        await self.lock_out(tx, person)
        who = (person.principal.issuer, person.subject)
        await tx.run("DELETE FROM people WHERE issuer = $1 AND subject = $2", *who)

    async def get(self, db: Reads, principal: Principal) -> Person:
        """Raises UsageError when there is no such person."""
        row = await self._one(db, principal)
        if row is None:
            raise UsageError("there is no such person")
        return _person(row)

    async def named(self, db: Reads, name: str) -> Person:
        """Raises UsageError, naming the command that adds one, when there is no such person."""
        row = await self._called(db, name)
        if row is None:
            raise UsageError(f"there is no person named `{name}`; `valetkey people add {name}` adds one")
        return _person(row)

    async def known_as(self, db: Reads, name: str) -> Person | None:
        """Return who signs in by a name, as somebody typed it."""
        row = await self._typed(db, name)
        return _person(row) if row else None

    async def owner(self, db: Reads) -> Person | None:
        """Return the owner of this server, who is the first person there was."""
        row = self._people.good(await db.one(f"{_OURS} AND owner = 1"))
        return _person(row) if row else None

    async def newcomer(self, db: Reads) -> Person | None:
        """Return the owner while they have chosen no way to sign in; None from then on."""
        owner = await self.owner(db)
        return owner if owner and not owner.joined else None

    async def choose_first(self, principal: Principal, password: str) -> Person:
        """Set the first password of somebody who has no way to sign in. Raises UsageError otherwise."""
        stored = await self._passwords.hashed(password)
        async with self._store.transaction() as tx:
            await self.refuse_joined(tx, principal)
            await self.set_password(tx, principal, stored)
        return await self.get(self._store, principal)

    async def refuse_joined(self, tx: Transaction, principal: Principal) -> None:
        """Raises UsageError for anybody who has a way to sign in."""
        if (await self.get(tx, principal)).joined:
            raise UsageError("The owner has chosen how to sign in. Sign in that way.")

    async def anybody(self, db: Reads) -> bool:
        """Whether any of our own people can sign in."""
        return await db.one(_ANYBODY) is not None

    async def all(self, db: Reads) -> list[Person]:
        return [_person(row) for row in self._people.all_good(await db.all(f"{_PEOPLE} ORDER BY name"))]

    async def failed_to_sign_in(self, tx: Transaction, name: str) -> Burst | None:
        """Count a wrong password for a name; returns the burst it is part of when that is to be reported."""
        return await self._tries.failed(tx, self._signing_in(name))

    async def failed_to_confirm(self, tx: Transaction, principal: Principal) -> Burst | None:
        """The same for a person who is signed in."""
        return await self._tries.failed(tx, self._confirming(principal))

    async def burst(self, db: Reads, person: Person) -> Burst | None:
        """Return the wrong passwords that were tried for one of our own lately, if there were many."""
        if person.principal.issuer != LOCAL:
            return None
        tried = (self._signing_in(person.name), self._confirming(person.principal))
        return joined([await self._tries.burst(db, about) for about in tried])

    def _digest(self, text: str) -> str:
        return self._keys.server(Purpose.LOOKUP).digest(text)

    def _signing_in(self, name: str) -> str:
        """Under what the tries at a name's password are counted."""
        return self._digest(f"password {name[:63].lower()}")

    def _confirming(self, principal: Principal) -> str:
        """The same for a person who is signed in."""
        return self._digest(json.dumps(["confirmation", principal.issuer, principal.subject]))

    async def _one(self, db: Reads, principal: Principal) -> Row | None:
        sql = f"{_PEOPLE} WHERE issuer = $1 AND subject = $2"
        return self._people.good(await db.one(sql, principal.issuer, principal.subject))

    async def _called(self, db: Reads, name: str) -> Row | None:
        return self._people.good(await db.one(f"{_OURS} AND name = $1", name))

    async def _typed(self, db: Reads, name: str) -> Row | None:
        """Whose name somebody typed; what cannot be a name is nobody's, and no database sees it."""
        plain = name[:63].lower()
        return await self._called(db, plain) if _NAME.fullmatch(plain) else None

    async def _is_right(self, row: Row | None, password: str, about: str) -> bool:
        """Try a password. Raises PageError 429, without trying it, when it has been tried too often."""
        if seconds := await self._tries.claim(about):
            text = f"Too many wrong passwords for this name. Try again in {seconds} seconds."
            raise PageError(429, "Wait a moment", text)
        if not await self._passwords.matches(password, row["password"] if row else None):
            return False
        async with self._store.transaction() as tx:
            await self._tries.forget(tx, about)
        return True


def valid_name(text: str) -> str:
    """Make a name for signing in from the name of an account of the system."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:63] or "owner"


def _person(row: Row) -> Person:
    principal = Principal(row["issuer"], row["subject"])
    has_password = row["password"] is not None
    joined = has_password or bool(row["has_passkey"])
    return Person(principal, row["name"], owner=bool(row["owner"]), joined=joined, has_password=has_password)


PEOPLE = Table("people", ("issuer", "subject"), ("name", "password", "owner", "created"))
INVITATIONS = Table("invitations", ("digest",), ("subject", "until", "used"))
_PEOPLE = f"""
SELECT {PEOPLE.reads}, EXISTS (
  SELECT 1 FROM passkeys WHERE passkeys.issuer = people.issuer AND passkeys.subject = people.subject
) AS has_passkey FROM people"""  # noqa: S608 - names of columns
_OURS = f"{_PEOPLE} WHERE issuer = 'local'"
_ANYBODY = """
SELECT 1 FROM people WHERE issuer = 'local' AND password IS NOT NULL
UNION ALL SELECT 1 FROM passkeys WHERE issuer = 'local' LIMIT 1"""
_INVITED = f"{INVITATIONS.select} WHERE digest = $1 AND until > $2 AND used IS NULL"
