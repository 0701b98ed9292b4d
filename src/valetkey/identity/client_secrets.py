"""The secrets of our own clients at issuers: sealed, put there by the operator, never in the settings."""

import json

from valetkey.audit import Audit
from valetkey.errors import IssuerFailed
from valetkey.identity.issuers import Issuer
from valetkey.model import AuditEvent, Principal, Secret
from valetkey.store import Store
from valetkey.vault import Vault

_PURPOSE = "issuer_secret"


class ClientSecrets:
    """Keeps one secret per client of ours at an issuer."""

    def __init__(self, store: Store, vault: Vault, audit: Audit) -> None:
        self._store, self._vault, self._audit = store, vault, audit

    async def put(self, issuer: Issuer, client_id: str, secret: Secret, by: Principal) -> None:
        """Seal a secret in the place of any before it."""
        async with self._store.transaction() as tx:
            receipt = await self._vault.put(tx, _PURPOSE, _name(issuer, client_id), secret.reveal())
            facts = {"issuer": issuer.key, "client_id": client_id, "operator": by.subject, **receipt.facts()}
            await self._audit.append(tx, AuditEvent("issuer.secret_set", "operator", by, None, facts))

    async def has(self, issuer: Issuer, client_id: str) -> bool:
        return await self._store.one(_SEALED, _PURPOSE, _name(issuer, client_id)) is not None

    async def get(self, issuer: Issuer, client_id: str) -> Secret | None:
        """Return a secret; None for a public client, of which none was sealed."""
        if not await self.has(issuer, client_id):
            return None
        return Secret((await self._vault.open(self._store, _PURPOSE, _name(issuer, client_id))).content)

    async def need(self, issuer: Issuer, client_id: str) -> Secret:
        """Raises IssuerFailed, naming the command that seals one, where there is none."""
        if (secret := await self.get(issuer, client_id)) is None:
            raise IssuerFailed(
                f"no secret is sealed: `valetkey issuers secret {issuer.key} --stdin` takes it"
            )
        return secret


def _name(issuer: Issuer, client_id: str) -> str:
    return json.dumps([issuer.key, client_id])


_SEALED = "SELECT 1 FROM sealed WHERE purpose = $1 AND id = $2"
