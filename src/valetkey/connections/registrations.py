"""The operator's clients at providers: which one a connector uses, with its secret from the vault."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.errors import CallError, UsageError
from valetkey.manifest import Connector
from valetkey.model import AuditEvent, Clock, Outcome, Principal, Registration, Secret
from valetkey.store import Reads, Row, Transaction
from valetkey.vault import Vault
from valetkey.vault.rows import BoundRows, Table

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SECRET = "client_secret"  # noqa: S105 - the vault's purpose for it
TABLE = Table("registrations", ("name",), ("provider", "client_id", "scopes", "created"))
_SELECT = TABLE.select


@dataclass(frozen=True, slots=True)
class Refusal:
    """When a provider last turned a registration away, and with which code."""

    at: int
    error: str


class Registrations:
    """Adds and finds registrations. A name is fixed for good: it is part of the redirect URI."""

    def __init__(self, vault: Vault, audit: Audit, clock: Clock) -> None:
        self._vault, self._audit, self._clock = vault, audit, clock
        self._bound = BoundRows(vault.keys, TABLE)

    async def add(self, tx: Transaction, new: Registration, by: Principal) -> None:
        """Store a registration, its secret sealed. Raises UsageError: the name is taken or unusable."""
        if not _NAME.fullmatch(new.name):
            raise UsageError(
                f"`{new.name}` cannot be a registration's name: use a-z, 0-9 and dashes (63 at most)"
            )
        if await tx.one("SELECT 1 FROM registrations WHERE name = $1", new.name):
            raise UsageError(f"there is a registration named `{new.name}` already; choose another --name")
        ceiling = None if new.scopes is None else json.dumps(sorted(new.scopes))
        await self._bound.insert(
            tx,
            name=new.name,
            provider=new.provider,
            client_id=new.client_id,
            scopes=ceiling,
            created=self._clock.now(),
        )
        facts = {"registration": new.name, "provider": new.provider, "client_id": new.client_id}
        if new.secret is not None:
            facts |= (await self._vault.put(tx, _SECRET, new.name, new.secret.reveal())).facts()
        await self._audit.append(tx, AuditEvent("registration.added", "operator", by, None, facts))

    async def get(self, db: Reads, name: str) -> Registration:
        """Return a registration with its secret. Raises UsageError when there is none of that name."""
        row = self._bound.good(await db.one(f"{_SELECT} WHERE name = $1", name))
        if row is None:
            raise UsageError(f"there is no registration named `{name}`")
        sealed = await db.one("SELECT 1 FROM sealed WHERE purpose = $1 AND id = $2", _SECRET, name)
        secret = Secret((await self._vault.open(db, _SECRET, name)).content) if sealed else None
        return _registration(row, secret)

    async def of(self, db: Reads, name: str, connector: Connector) -> Registration:
        """Return the registration of that name with which a connector's tokens came.

        Raises UsageError when there is none any more. One of that name that was added since at another
        provider is none: its secret is not for this one's eyes.
        """
        found = await self.get(db, name)
        if found.provider != connector.provider:
            raise UsageError(f"there is no registration named `{name}` at {connector.provider}")
        return found

    async def for_connector(self, db: Reads, connector: Connector) -> Registration:
        """Return the newest registration at a connector's provider: adding another mends a mistyped one.

        Raises CallError `failed`, saying what the operator has to do, when there is none.
        """
        sql = f"{_SELECT} WHERE provider = $1 ORDER BY created DESC, name"
        rows = self._bound.all_good(await db.few(sql, connector.provider))
        if not rows:
            text = (
                f"This server has no client at {connector.title}'s provider yet. Its operator adds one with "
                f"`valetkey registrations add {connector.provider}`; until then this tool cannot work."
            )
            raise CallError(Outcome.FAILED, text)
        return await self.get(db, rows[0]["name"])

    async def refused(self, tx: Transaction, name: str, error: str) -> None:
        """Record that a provider does not take a registration, with its code for why."""
        facts = {"registration": name, "error": error}
        await self._audit.append(tx, AuditEvent("registration.refused", "system", None, None, facts))

    async def refusals(self, db: Reads) -> dict[str, Refusal]:
        """Return how each registration was last refused, of those that did not work since."""
        found: dict[str, Refusal] = {}
        for row in await db.all(_REFUSALS):
            facts = json.loads(row["core"])["facts"]
            found.setdefault(facts["registration"], Refusal(row["at"], facts["error"]))
        return {name: last for name, last in found.items() if await db.one(_STANDS, name, last.at)}

    async def remove(self, tx: Transaction, name: str, by: Principal) -> None:
        """Remove a registration with its secret. Raises UsageError: there is none, or it is in use."""
        await self.get(tx, name)
        if await tx.one(_IN_USE, name):
            raise UsageError(f"connections use `{name}`: they have to end first")
        await tx.run("DELETE FROM registrations WHERE name = $1", name)
        await self._vault.forget(tx, _SECRET, name)
        facts = {"registration": name, "forgotten": _SECRET, "record": name}
        await self._audit.append(tx, AuditEvent("registration.removed", "operator", by, None, facts))

    async def all(self, db: Reads) -> list[Registration]:
        """Return every registration by name, without secrets."""
        rows = await db.all(f"{_SELECT} ORDER BY name")
        return [_registration(row, None) for row in self._bound.all_good(rows)]


_REFUSALS = "SELECT at, core FROM audit WHERE kind = 'registration.refused' ORDER BY seq DESC LIMIT 1000"
_STANDS = """
SELECT 1 FROM registrations WHERE name = $1 AND created <= $2 AND NOT EXISTS (
  SELECT 1 FROM connections WHERE registration = $1 AND state = 'connected' AND changed > $2)"""
_IN_USE = "SELECT 1 FROM connections WHERE registration = $1 AND state != 'revoked' LIMIT 1"


def providers(connectors: Iterable[Connector]) -> list[str]:
    """The names a registration's provider can have; where a secret is pasted there is none to register at."""
    return sorted({connector.provider for connector in connectors if connector.pasted is None})


def _registration(row: Row, secret: Secret | None) -> Registration:
    ceiling = None if row["scopes"] is None else frozenset(json.loads(row["scopes"]))
    return Registration(row["name"], row["provider"], row["client_id"], secret, ceiling)
