"""Passkeys of our own people: WebAuthn credentials, which the library `webauthn` makes and checks.

Each belongs for good to one host, that of `public_url`. What it signs is a challenge, which says for what and
in which browser it was asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from valetkey.errors import PageError, UsageError
from valetkey.manifest.clean import clean
from valetkey.model import AuditEvent, Clock, Ids, Principal, Randomness
from valetkey.people.challenges import LASTS, Challenges
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import KeyRing
from valetkey.vault.rows import BoundRows, Table

_MOST = 20
"""How many passkeys a person may have."""
_LONGEST_NAME = 60
_VERIFIED = UserVerificationRequirement.REQUIRED
_USE, _MAKE = "use a passkey", "make a passkey"


@dataclass(frozen=True, slots=True)
class Passkey:
    """A public key of a person. It works at `host` alone; `used` is when it last signed, None for never."""

    id: str
    principal: Principal
    host: str
    name: str
    created: int
    used: int | None

    def event(self, kind: str) -> AuditEvent:
        """What the audit says of it."""
        facts = {"passkey": self.id, "host": self.host}
        return AuditEvent(kind, "person", self.principal, None, facts, {"name": self.name})


class NotAccepted(PageError):
    """A passkey was not taken; the text says why. `copied`: the one that seems to exist twice."""

    def __init__(self, text: str, copied: Passkey | None = None) -> None:
        self.copied = copied
        super().__init__(403, "The passkey was not accepted", text)


class Passkeys:
    """Makes, checks and removes passkeys for the host of `public_url`."""

    def __init__(
        self, store: Store, keys: KeyRing, ids: Ids, clock: Clock, randomness: Randomness, public_url: str
    ) -> None:
        self._store, self._ids, self._clock = store, ids, clock
        self._origin, self.host = public_url, urlsplit(public_url).hostname or ""
        self._challenges = Challenges(keys, clock, randomness)
        self._bound = BoundRows(keys, TABLE)

    @property
    def possible(self) -> bool:
        """Whether browsers make passkeys for this host: they want a name, never an address of numbers."""
        try:
            ip_address(self.host)
        except ValueError:
            return True
        return False

    async def here(self, db: Reads, principal: Principal) -> list[Passkey]:
        """Return a person's passkeys that work at this host, oldest first."""
        return [one for one in await self.all(db, principal) if one.host == self.host]

    async def all(self, db: Reads, principal: Principal) -> list[Passkey]:
        """Return a person's passkeys, those for other hosts too, oldest first."""
        sql = f"{_PASSKEYS} WHERE issuer = $1 AND subject = $2 ORDER BY created, id"
        rows = await db.all(sql, principal.issuer, principal.subject)
        return [_passkey(row) for row in self._bound.all_good(rows)]

    def asked(self, *about: str) -> str:
        """Return the options for `navigator.credentials.get` of whoever comes: they need give no name."""
        return self._options(about, [])

    async def asked_of(self, db: Reads, principal: Principal, *about: str) -> str:
        """Return the same for one person; empty where they have no passkey for this host."""
        known = await self._known(db, principal)
        return self._options(about, known) if known and self.possible else ""

    async def offered(self, db: Reads, principal: Principal, name: str, *about: str) -> str:
        """Return the options for `navigator.credentials.create`; empty where no browser can make one."""
        if not self.possible:
            return ""
        chosen = AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
        )
        options = generate_registration_options(
            rp_id=self.host,
            rp_name="Valetkey",
            user_id=principal.subject.encode(),
            user_name=name,
            challenge=self._challenges.new(_MAKE, *about),
            timeout=LASTS,
            authenticator_selection=chosen,
            exclude_credentials=await self._known(db, principal),
        )
        return options_to_json(options)

    async def add(self, tx: Transaction, principal: Principal, name: str, made: str, *about: str) -> Passkey:
        """Keep what a browser made of what was `offered` about this.

        Raises NotAccepted; UsageError when the person has too many.
        """
        if len(await self.all(tx, principal)) >= _MOST:
            raise UsageError(f"Nobody has more than {_MOST} passkeys. Remove one first.")
        new = await self._made(tx, made, about)
        called = " ".join(str(clean(name)).split())[:_LONGEST_NAME] or "A passkey"
        passkey = Passkey(self._ids.new("pky"), principal, self.host, called, self._clock.now(), None)
        credential = bytes_to_base64url(new.credential_id)
        if await tx.one("SELECT 1 FROM passkeys WHERE credential = $1", credential):
            raise NotAccepted("This passkey is here already.")
        await self._bound.insert(
            tx,
            id=passkey.id,
            issuer=principal.issuer,
            subject=principal.subject,
            host=self.host,
            credential=credential,
            public_key=new.credential_public_key,
            count=new.sign_count,
            name=called,
            created=passkey.created,
        )
        return passkey

    async def use(self, signed: str, *about: str, principal: Principal | None = None) -> Passkey:
        """Check what a browser signed of what was `asked` about this, and return which passkey did.

        `principal`: whose it has to be; without, it has to say itself whose it is. Raises NotAccepted.
        """
        async with self._store.transaction() as tx:
            return await self._used(tx, signed, about, principal)

    async def remove(self, tx: Transaction, principal: Principal, passkey_id: str) -> Passkey:
        """Remove a passkey of a person's. Raises UsageError: there is none, or it is their last way in."""
        of_theirs = {one.id: one for one in await self.all(tx, principal)}
        if passkey_id not in of_theirs:
            raise UsageError("There is no such passkey.")
        here = {one.id for one in of_theirs.values() if one.host == self.host}
        if here == {passkey_id} and not await tx.one(_PASSWORD, principal.issuer, principal.subject):
            raise UsageError(
                "This is your only way to sign in. Set a password first, or add another passkey."
            )
        await tx.run("DELETE FROM passkeys WHERE id = $1", passkey_id)
        return of_theirs[passkey_id]

    async def elsewhere(self, db: Reads) -> list[str]:
        """Return the hosts other than this for which there are passkeys."""
        rows = await db.all("SELECT DISTINCT host FROM passkeys WHERE host <> $1 ORDER BY host", self.host)
        return [row["host"] for row in rows]

    async def _made(self, tx: Transaction, made: str, about: tuple[str, ...]) -> VerifiedRegistration:
        with _refused():
            credential = parse_registration_credential_json(made)
            challenge = _challenge(credential.response.client_data_json)
        await self._use_up(tx, challenge, _MAKE, *about)
        with _refused():
            return verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self.host,
                expected_origin=self._origin,
                require_user_verification=True,
            )

    async def _used(
        self, tx: Transaction, signed: str, about: tuple[str, ...], principal: Principal | None
    ) -> Passkey:
        with _refused():
            credential = parse_authentication_credential_json(signed)
            challenge = _challenge(credential.response.client_data_json)
        await self._use_up(tx, challenge, _USE, *about)
        known = bytes_to_base64url(credential.raw_id)  # not its `id`, which may be any text
        found = await tx.one(f"{_PASSKEYS} WHERE credential = $1 AND host = $2", known, self.host)
        row = self._bound.good(found)
        if row is None or not _is_theirs(row, credential.response.user_handle, principal):
            raise NotAccepted(_UNKNOWN)
        with _refused():
            checked = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self.host,
                expected_origin=self._origin,
                credential_public_key=row["public_key"],
                credential_current_sign_count=0,  # below: the library looks before it knows who signed
                require_user_verification=True,
            )
        if not _counts_on(row["count"], checked.new_sign_count):
            raise NotAccepted(_COPIED, copied=_passkey(row))
        await self._bound.change(tx, row["id"], count=checked.new_sign_count, used=self._clock.now())
        return _passkey(row)

    async def _use_up(self, tx: Transaction, challenge: bytes, *about: str) -> None:
        if not await self._challenges.used_up(tx, challenge, *about):
            raise NotAccepted(_LATE)

    def _options(self, about: tuple[str, ...], known: list[PublicKeyCredentialDescriptor]) -> str:
        if not self.possible:
            return ""
        options = generate_authentication_options(
            rp_id=self.host,
            challenge=self._challenges.new(_USE, *about),
            timeout=LASTS,
            allow_credentials=known,
            user_verification=_VERIFIED,
        )
        return options_to_json(options)

    async def _known(self, db: Reads, principal: Principal) -> list[PublicKeyCredentialDescriptor]:
        sql = "SELECT credential FROM passkeys WHERE issuer = $1 AND subject = $2 AND host = $3"
        rows = await db.all(sql, principal.issuer, principal.subject, self.host)
        return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row["credential"])) for row in rows]


@contextmanager
def _refused() -> Iterator[None]:
    """Whatever the library makes of what somebody sent: it is not accepted."""
    try:
        yield
    except Exception:  # noqa: BLE001 - parsers of CBOR, COSE and ASN.1 raise what they like at garbage
        raise NotAccepted(_WRONG) from None


def _challenge(client_data: bytes) -> bytes:
    """The challenge in what was signed. Raises ValueError: a frame in a page of another site asked."""
    said = parse_client_data_json(client_data)
    if said.cross_origin:
        raise ValueError("signed in a frame of another site")
    return said.challenge


def _is_theirs(row: Row, handle: bytes | None, principal: Principal | None) -> bool:
    """Whether the key is of the person it has to be of, and says so itself (WebAuthn 7.2, step 6)."""
    says_so: bool = handle == row["subject"].encode()
    if principal is None:
        return says_so
    return principal == Principal(row["issuer"], row["subject"]) and (says_so or handle is None)


def _counts_on(before: int, now: int) -> bool:
    """Whether a counter went up; one that is always zero counts nothing (WebAuthn 7.2, step 22)."""
    return now > before or before == now == 0


def _passkey(row: Row) -> Passkey:
    principal = Principal(row["issuer"], row["subject"])
    return Passkey(row["id"], principal, row["host"], row["name"], row["created"], row["used"])


_WRONG = "Your browser sent nothing that can be used. Try once more, or use your password."
_LATE = "It took too long, or it was for another page. Try once more."
_UNKNOWN = "This passkey is not known here; it may have been removed. Use another way to sign in."
_COPIED = (
    "This passkey seems to exist twice: it was used elsewhere since it was last used here. "
    "Use another way to sign in, and remove this one."
)
_COLUMNS = ("issuer", "subject", "host", "credential", "public_key", "count", "name", "created")
TABLE = Table("passkeys", ("id",), _COLUMNS, beside=("used",))
_PASSKEYS = TABLE.select
_PASSWORD = "SELECT 1 FROM people WHERE issuer = $1 AND subject = $2 AND password IS NOT NULL"  # noqa: S105 - no password
