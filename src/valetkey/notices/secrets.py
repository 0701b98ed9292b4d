"""The operator's secrets for sending: the mail server's password, and the key that signs webhooks."""

from valetkey.audit import Audit
from valetkey.model import DAY, AuditEvent, Clock, Ids, Principal, Secret
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose, Vault

BOTH_SIGN_FOR = 7 * DAY
"""How long the replaced secret goes on signing beside the new one."""

_PURPOSE, _KEY = "smtp_password", "smtp"


class SmtpPassword:
    """Keeps the password for the mail server, sealed: it never stands in the settings."""

    def __init__(self, store: Store, vault: Vault, audit: Audit) -> None:
        self._store, self._vault, self._audit = store, vault, audit

    async def put(self, password: Secret, by: Principal) -> None:
        """Seal a password in the place of the one before."""
        async with self._store.transaction() as tx:
            receipt = await self._vault.put(tx, _PURPOSE, _KEY, password.reveal())
            facts = {"operator": by.subject, **receipt.facts()}
            await self._audit.append(tx, AuditEvent("notify.password_set", "operator", by, None, facts))

    async def get(self) -> Secret | None:
        """Return the password, None while none was sealed. Raises IntegrityError."""
        sealed = await self._store.one("SELECT 1 FROM sealed WHERE purpose = $1 AND id = $2", _PURPOSE, _KEY)
        return Secret((await self._vault.open(self._store, _PURPOSE, _KEY)).content) if sealed else None


async def new_webhook_key(
    store: Store, keys: KeyRing, audit: Audit, ids: Ids, clock: Clock, by: Principal
) -> None:
    """Sign with a new secret from now on; for a week the old one signs as well."""
    async with store.transaction() as tx:
        kid = await keys.rotate_server_key(tx, Purpose.WEBHOOK, ids, clock, accepted_for=BOTH_SIGN_FOR)
        facts = {"purpose": Purpose.WEBHOOK, "kid": kid, "operator": by.subject}
        await audit.append(tx, AuditEvent("key.rotated", "operator", by, None, facts))
    await keys.reload(store, clock)
