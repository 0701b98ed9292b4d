"""The client credentials grant (RFC 6749 section 4.4), which nobody gets: alone an agent acts for nobody."""

from valetkey.audit import Audit
from valetkey.authserver.asking import Client, Form
from valetkey.authserver.rfc8693_asked import EXCHANGE
from valetkey.errors import OAuthError
from valetkey.model import Actor, AuditEvent, Json

CLIENT_CREDENTIALS = "client_credentials"


class ClientCredentials:
    """Says what to do instead, and records that an agent tried."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def answer(self, client: Client, form: Form) -> dict[str, Json]:
        """Raises OAuthError `unauthorized_client`, always."""
        if client.proven:
            facts = {"error": "unauthorized_client"}
            await self._audit.note(AuditEvent("token.refused", "agent", None, Actor(client.agent.id), facts))
        text = f"an agent alone can act for nobody: bring a person's token, or a grant's id ({EXCHANGE})"
        raise OAuthError("unauthorized_client", text)
