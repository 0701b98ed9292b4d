"""Where a person is written to: an address they gave, sealed, and used only once they proved that it is
theirs: else anybody could have notices sent to anybody.

The code is good for a quarter of an hour and five tries; how it gets to the address is `post`'s business.
"""

import hmac
import json
from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.errors import PageError, UsageError
from valetkey.model import MINUTE, AuditEvent, Clock, Ids, Json, Principal, Randomness
from valetkey.people import Tries
from valetkey.settings.notify import is_address
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import Purpose, Vault
from valetkey.vault.rows import BoundRows, Table

CODE_LASTS = 15 * MINUTE
_PURPOSE = "notice_address"
_DIGITS, _MOST_TRIES = 8, 5


@dataclass(frozen=True, slots=True)
class Given:
    """An address that a person gave, whether they proved it, and until when its code is good."""

    id: str
    address: str
    proved: bool
    until: int | None


class Addresses:
    """Takes, proves, finds and forgets addresses. A person has one that is used and one they are proving."""

    def __init__(
        self, store: Store, vault: Vault, audit: Audit, ids: Ids, clock: Clock, randomness: Randomness
    ) -> None:
        self._store, self._vault, self._audit, self._ids = store, vault, audit, ids
        self._clock, self._randomness = clock, randomness
        self._bound, self._tries = BoundRows(vault.keys, TABLE), Tries(store, clock)

    async def of(self, db: Reads, principal: Principal, *, proved: bool = True) -> Given | None:
        """Return the address in use, or the one whose code was not given yet."""
        row = self._bound.good(await db.one(_OF, principal.issuer, principal.subject, int(proved)))
        if row is None:
            return None
        address = (await self._vault.open(db, _PURPOSE, row["id"])).content
        return Given(row["id"], address, bool(row["proved"]), row["until"])

    async def has(self, db: Reads, principal: Principal) -> bool:
        """Whether there is an address to write to."""
        return await db.one(_OF, principal.issuer, principal.subject, 1) is not None

    async def give(self, principal: Principal, address: str) -> str:
        """Take an address and return the code that has to come back from there. The one in use stays.

        Raises UsageError for what is no address; PageError 429 when codes were sent too often, by this
        person or to this address.
        """
        if not is_address(address):
            raise UsageError("This is not an e-mail address.")
        for about in (self._asked_by(principal), self._sent_to(address)):
            if seconds := await self._tries.claim(about):
                text = f"Codes were asked for too often. Try again in {seconds} seconds."
                raise PageError(429, "Wait a moment", text)
        code = self._code()
        async with self._store.transaction() as tx:
            await self._forget(tx, principal, proved=False)
            await self._insert(tx, principal, address, code)
        return code

    async def prove(self, principal: Principal, code: str) -> Given | None:
        """Use the proving address from now on, if this is its code. Returns the one it replaces, if any.

        Raises UsageError, saying why, when it is not.
        """
        async with self._store.transaction() as tx:
            row = self._bound.good(await tx.one(_OF, principal.issuer, principal.subject, 0))
            right = row is not None and await self._is_right(tx, row, code)
            before = await self.of(tx, principal)
            if row is not None and right:
                await self._forget(tx, principal, proved=True)
                await self._bound.change(tx, row["id"], proved=1, code=None, until=None)
                await self._note(tx, principal, "address.proved")
        if row is None or not right:
            raise UsageError("This is not the code, or its time is over. Give the address once more.")
        return before

    async def remove(self, principal: Principal) -> Given | None:
        """Forget a person's addresses. Returns the one that was in use, if any."""
        async with self._store.transaction() as tx:
            before = await self.of(tx, principal)
            await self.forget(tx, principal)
            if before:
                await self._note(tx, principal, "address.removed")
        await self._store.erase_deleted()
        return before

    async def forget(self, tx: Transaction, principal: Principal) -> None:
        """The same for a person who is taken away, and in their transaction."""
        for proved in (True, False):
            await self._forget(tx, principal, proved=proved)

    async def _insert(self, tx: Transaction, principal: Principal, address: str, code: str) -> None:
        now, key = self._clock.now(), self._ids.new("adr")
        await self._bound.insert(
            tx,
            id=key,
            issuer=principal.issuer,
            subject=principal.subject,
            proved=0,
            code=self._digest("code", key, code),
            until=now + CODE_LASTS,
            tries=0,
            created=now,
        )
        await self._vault.put(tx, _PURPOSE, key, address)

    async def _is_right(self, tx: Transaction, row: Row, code: str) -> bool:
        """Whether a code fits. Each try counts, before it is looked at."""
        if row["tries"] >= _MOST_TRIES or row["until"] <= self._clock.now():
            return False
        await self._bound.change(tx, row["id"], tries=row["tries"] + 1)
        typed = "".join(code.split()).encode()[:64]
        return hmac.compare_digest(
            self._digest("code", row["id"], typed.decode(errors="replace")), row["code"]
        )

    async def _forget(self, tx: Transaction, principal: Principal, *, proved: bool) -> None:
        row = await tx.one(_OF, principal.issuer, principal.subject, int(proved))
        if row is not None:
            await self._vault.forget(tx, _PURPOSE, row["id"])
            await tx.run("DELETE FROM addresses WHERE id = $1", row["id"])

    async def _note(self, tx: Transaction, principal: Principal, kind: str) -> None:
        await self._audit.append(tx, AuditEvent(kind, "person", principal, None, {}))

    def _code(self) -> str:
        return f"{int.from_bytes(self._randomness(8), 'big') % 10**_DIGITS:0{_DIGITS}}"

    def _asked_by(self, principal: Principal) -> str:
        return self._digest("address asked by", principal.issuer, principal.subject)

    def _sent_to(self, address: str) -> str:
        return self._digest("address asked for", address.lower())

    def _digest(self, *parts: Json) -> str:
        return self._vault.keys.server(Purpose.LOOKUP).digest(json.dumps(parts))


TABLE = Table("addresses", ("id",), ("issuer", "subject", "proved", "code", "until", "tries", "created"))
_OF = f"{TABLE.select} WHERE issuer = $1 AND subject = $2 AND proved = $3"
