"""Pasted secrets of an access request: tried one after another, each try counted, none kept but good ones."""

from collections.abc import Mapping, Sequence

from valetkey.audit import Audit
from valetkey.connections import NotTaken, Pasting, Tried, Typed
from valetkey.manifest import Connector
from valetkey.model import AuditEvent, Secret
from valetkey.needs.request import AccessRequest
from valetkey.people import Tries
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose

_NOTHING = Typed(Secret(""))


class PastedSecrets:
    """Tries secrets at a bearable pace, so that a page of ours is no way to guess them."""

    def __init__(self, store: Store, keys: KeyRing, audit: Audit, pasting: Pasting, tries: Tries) -> None:
        self._store, self._keys, self._audit = store, keys, audit
        self._pasting, self._tries = pasting, tries

    async def tried(
        self, request: AccessRequest, connectors: Sequence[Connector], typed: Mapping[str, Typed]
    ) -> list[Tried]:
        """Return what was typed for each connector, once all of it works. Nothing is stored.

        Raises NotTaken for the first that does not; 429 when one has been tried too often.
        """
        return [await self._try(request, one, typed.get(one.name, _NOTHING)) for one in connectors]

    async def _try(self, request: AccessRequest, connector: Connector, typed: Typed) -> Tried:
        about = self._about(request, connector)
        if seconds := await self._tries.claim(about):
            raise NotTaken(connector, f"This was tried too often. Try again in {seconds} seconds.", 429)
        try:
            tried = await self._pasting.tried(connector, typed)
        except NotTaken as refused:
            facts = {"request": request.id, "connector": connector.name, "status": refused.status}
            await self._audit.note(AuditEvent("secret.refused", "person", request.principal, None, facts))
            raise
        async with self._store.transaction() as tx:
            await self._tries.forget(tx, about)
        return tried

    def _about(self, request: AccessRequest, connector: Connector) -> str:
        """Under what the tries are counted: one person's at one connector, whichever link they come by."""
        who = request.principal
        text = f"secret {connector.name} {who.issuer} {who.subject}"
        return self._keys.server(Purpose.LOOKUP).digest(text)
