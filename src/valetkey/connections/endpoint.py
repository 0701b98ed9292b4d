"""Talking to a token endpoint: what is sent (RFC 6749, 7636, 7009), and through which door.

How an answer is read is in `answer`; what it means for a connection, in `authorize` and `refresh`.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import quote_plus, urlencode

from valetkey.connections.answer import Answer, read_answer, read_revoked
from valetkey.egress import Credential, Egress, Incoming, Limits, Outgoing
from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import OAuth2
from valetkey.model import Registration, Secret, TokenSet

HARD_SECONDS = 20
"""Longest a token endpoint may take, all in all; a refresh's lease is longer by five seconds and more."""

_LIMITS = Limits(seconds=HARD_SECONDS, bytes=64 * 1024)
Form = dict[str, str]
Awake = Callable[[], Awaitable[None]]


def oauth2(connector: Connector) -> OAuth2:
    """Return the connector's OAuth 2 table; only connectors that have one come here."""
    return cast(OAuth2, connector.auth)


class TokenEndpoint:
    """Redeems codes, refreshes and gives back tokens, through egress alone, and from the live store alone.

    `awake` raises Dormant on any other copy: what one copy spends, the other has lost. All here raise it.
    """

    def __init__(self, egress: Egress, awake: Awake) -> None:
        self._egress, self._awake = egress, awake

    async def redeem(
        self, connector: Connector, client: Registration, *, code: str, verifier: str, redirect_uri: str
    ) -> Answer:
        """Redeem a code (RFC 6749 section 4.1.3). Raises OAuthRefused, EgressError."""
        auth = oauth2(connector)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if auth.pkce != "off":
            form["code_verifier"] = verifier
        reply = await self._post(connector, client, auth.token_url, form | dict(auth.token_params))
        return read_answer(auth, reply, auth.token_at)

    async def refresh(self, connector: Connector, client: Registration, token: Secret) -> Answer:
        """Refresh (RFC 6749 section 6). Raises OAuthRefused, EgressError."""
        auth = oauth2(connector)
        form = {"grant_type": "refresh_token", "refresh_token": token.reveal(), **auth.refresh_params}
        reply = await self._post(connector, client, auth.refresh_url or auth.token_url, form)
        return read_answer(auth, reply, auth.refresh.token_at)

    async def revoke(self, connector: Connector, client: Registration, tokens: TokenSet) -> None:
        """Give tokens back as the manifest says (RFC 7009). Raises OAuthRefused, EgressError."""
        how = oauth2(connector).revoke
        if how is None or how.url is None:
            return
        token = tokens.refresh if how.token == "refresh" and tokens.refresh else tokens.access  # noqa: S105 - the manifest's word
        if how.present == "bearer":
            request = Outgoing(how.method, how.url, body=b"")
            reply = await self._send(connector, request, f"Bearer {token.reveal()}")
        else:
            reply = await self._post(connector, client, how.url, {"token": token.reveal()})
        read_revoked(how.ok, reply)

    async def _post(self, connector: Connector, client: Registration, url: str, form: Form) -> Incoming:
        authorization = None
        if oauth2(connector).client_auth == "basic":
            authorization = _basic(client)
        else:
            form = form | _client(client)
        content, body = _encoded(form, as_json=oauth2(connector).token_body == "json")  # noqa: S105 - the manifest's word
        headers = (("Content-Type", content), ("Accept", "application/json"))
        return await self._send(connector, Outgoing("POST", url, headers, body), authorization)

    async def _send(self, connector: Connector, request: Outgoing, authorization: str | None) -> Incoming:
        await self._awake()
        headers: Mapping[str, Secret] = {"Authorization": Secret(authorization)} if authorization else {}
        credential = Credential(headers, connector.origins, 0)
        return await self._egress.send(
            request, origins=connector.origins, limits=_LIMITS, credential=credential
        )


def _client(client: Registration) -> Form:
    return {"client_id": client.client_id} | (
        {"client_secret": client.secret.reveal()} if client.secret else {}
    )


def _basic(client: Registration) -> str:
    """RFC 6749 section 2.3.1: both halves are form-encoded before they are joined."""
    secret = client.secret.reveal() if client.secret else ""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _encoded(form: Form, *, as_json: bool) -> tuple[str, bytes]:
    if as_json:
        return "application/json", json.dumps(form).encode()
    return "application/x-www-form-urlencoded", urlencode(form).encode()
