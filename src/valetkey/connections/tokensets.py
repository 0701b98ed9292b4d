"""Token sets at rest: sealed with their owner, and bound to the origins they may be sent to.

A set got under other origins, or under other `[hosts]`, does not open: its person reconnects. Whose it is,
it says itself: a row that gives it to somebody else gives nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from valetkey.connections.schedule import ahead_at, ends_at, idle_at, refreshing
from valetkey.errors import IntegrityError
from valetkey.manifest import Connector
from valetkey.model import Json, Principal, Randomness, Secret, TokenSet
from valetkey.store import Reads, Row, Store, Transaction
from valetkey.vault import COLUMNS, Opened, Receipt, Vault

PURPOSE, ASIDE = "token", "given_back"
"""The vault's purposes for tokens that calls use, and for those kept only until their provider is told."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token set as it stands: its tokens, the version they have, and the row of its lease and clock."""

    id: str
    owner: Principal
    tokens: TokenSet
    version: int
    row: Row

    @property
    def dead(self) -> str | None:
        """Why no call can use this set any more, or None."""
        reason: str | None = self.row["dead"]
        return reason


class OriginsChanged(IntegrityError):
    """A token set belongs to other origins than the ones it would be sent to now."""


class NotTheirs(IntegrityError):
    """A token set is another person's than the one whose connection points at it."""


class Forgotten(IntegrityError):
    """A token set's secrets are gone on purpose; `reason` is why: `revoked`, `replaced`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__("the tokens of this connection were removed when it ended")


class TokenSets:
    """Puts token sets into the vault and opens them for the origins they were got for."""

    def __init__(self, vault: Vault, randomness: Randomness) -> None:
        self._vault, self._randomness = vault, randomness

    async def put(
        self, tx: Transaction, key: str, owner: Principal, tokens: TokenSet, connector: Connector
    ) -> Receipt:
        """Seal a person's token set under its origins; its row in `token_sets` is there or made now."""
        refresh = refreshing(connector)
        renew_at = idle_at(refresh, tokens, self._randomness)
        await tx.run(_NEW_ROW, key, tokens.expires_at, renew_at, ends_at(refresh, tokens))
        return await self._sealed(tx, PURPOSE, key, owner, tokens)

    async def used(self, store: Store, held: Held, connector: Connector) -> None:
        """Plan the renewal of a set that a call has come for: from now on it is in use, and renewed ahead.

        Costs a write once for each renewal, and nothing else.
        """
        planned, expires = held.row["renew_at"], held.tokens.expires_at
        if planned is None or expires is None or planned < expires:
            return
        at = ahead_at(refreshing(connector), held.tokens, self._randomness)
        if at is not None:
            async with store.transaction(durable=False) as tx:
                await tx.run(_PLANNED, at, held.id, planned)

    async def put_off(self, store: Store, key: str, until: int) -> None:
        """Look at a set that cannot be renewed just now no earlier than that."""
        async with store.transaction(durable=False) as tx:
            await tx.run("UPDATE token_sets SET renew_at = $1 WHERE id = $2", until, key)

    async def read(
        self, db: Reads, key: str, owner: Principal, connector: Connector, *, overridden: bool
    ) -> Held:
        """Open a person's token set for a connector's origins.

        Raises OriginsChanged when it belongs to others, NotTheirs, Forgotten; IntegrityError when it is
        damaged.
        """
        row = await db.one(_READ, key)
        if row is None or row["content"] is None:
            raise Forgotten(row["dead"]) if row and row["dead"] else IntegrityError("a token set is missing")
        await self._vault.meet(db, row)
        opened = self._vault.opened(PURPOSE, key, row)
        tokens = _fitting(opened, owner, connector, overridden=overridden)
        return Held(key, owner, tokens, opened.version, row)

    async def forget(self, tx: Transaction, key: str, reason: str) -> Mapping[str, Json]:
        """Remove the secrets, keep the row; returns the facts for the audit."""
        await self._vault.forget(tx, PURPOSE, key)
        await tx.run(_FORGOTTEN, reason, key)
        return {"forgotten": PURPOSE, "record": key}

    async def set_aside(self, tx: Transaction, connection: str, owner: Principal, tokens: TokenSet) -> None:
        """Keep the tokens of an ended connection where no call looks: their provider has to be told."""
        await self._sealed(tx, ASIDE, connection, owner, tokens)

    async def aside(
        self, db: Reads, connection: str, owner: Principal, connector: Connector, *, overridden: bool
    ) -> TokenSet:
        """Open what was set aside. Raises IntegrityError as `read` does."""
        opened = await self._vault.open(db, ASIDE, connection)
        return _fitting(opened, owner, connector, overridden=overridden)

    async def forget_aside(self, tx: Transaction, connection: str) -> None:
        await self._vault.forget(tx, ASIDE, connection)

    async def _sealed(
        self, tx: Transaction, purpose: str, key: str, owner: Principal, tokens: TokenSet
    ) -> Receipt:
        bound = bound_to(tokens.origins, tokens.registration, overridden=tokens.overridden)
        return await self._vault.put(tx, purpose, key, _content(owner, tokens), bound=bound)


@lru_cache(maxsize=1024)
def bound_to(origins: frozenset[str], registration: str | None, *, overridden: bool) -> str:
    """The digest that ties a token set to where it may go (SHA-256, hex)."""
    text = json.dumps([sorted(origins), registration, overridden])
    return hashlib.sha256(text.encode()).hexdigest()


def _fitting(opened: Opened, owner: Principal, connector: Connector, *, overridden: bool) -> TokenSet:
    """The tokens, if they are their owner's and for these addresses. Raises NotTheirs, OriginsChanged."""
    if opened.content["owner"] != [owner.issuer, owner.subject]:
        raise NotTheirs("these tokens belong to somebody else")
    tokens = _tokens(opened.content)
    if opened.bound != bound_to(connector.origins, tokens.registration, overridden=overridden):
        raise OriginsChanged("the connector's addresses changed since this connection was made")
    return tokens


def _content(owner: Principal, tokens: TokenSet) -> Json:
    return {
        "owner": [owner.issuer, owner.subject],
        "access": tokens.access.reveal(),
        "refresh": tokens.refresh.reveal() if tokens.refresh else None,
        "issued_at": tokens.issued_at,
        "expires_at": tokens.expires_at,
        "scopes": sorted(tokens.scopes),
        "origins": sorted(tokens.origins),
        "registration": tokens.registration,
        "connectors": sorted(tokens.connectors),
        "overridden": tokens.overridden,
        "consented_at": tokens.consented_at,
        "refresh_until": tokens.refresh_until,
    }


def _tokens(content: Json) -> TokenSet:
    return TokenSet(
        access=Secret(content["access"]),
        refresh=Secret(content["refresh"]) if content["refresh"] else None,
        issued_at=content["issued_at"],
        expires_at=content["expires_at"],
        scopes=frozenset(content["scopes"]),
        origins=frozenset(content["origins"]),
        registration=content["registration"],
        connectors=frozenset(content["connectors"]),
        overridden=content["overridden"],
        consented_at=content.get("consented_at"),  # not in records of earlier versions
        refresh_until=content.get("refresh_until"),
    )


_NEW_ROW = """
INSERT INTO token_sets (id, expires_at, renew_at, ends_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET
  expires_at = excluded.expires_at, renew_at = excluded.renew_at, ends_at = excluded.ends_at,
  dead = NULL, died_at = NULL, failures = 0, failing = NULL, since = NULL, retry_at = NULL,
  lease_owner = NULL, lease_until = NULL, intent = NULL"""
_PLANNED = "UPDATE token_sets SET renew_at = $1 WHERE id = $2 AND renew_at = $3"
_FORGOTTEN = """
UPDATE token_sets SET dead = $1, died_at = NULL, failing = NULL,
  lease_owner = NULL, lease_until = NULL, intent = NULL
WHERE id = $2"""
_READ = f"""
SELECT t.id, t.expires_at, t.renew_at, t.lease_owner, t.lease_until, t.intent, t.dead, t.retry_at,
  t.failures, t.failing, t.since, {COLUMNS}
FROM token_sets t LEFT JOIN sealed s ON s.purpose = 'token' AND s.id = t.id WHERE t.id = $1"""  # noqa: S608 - constants
