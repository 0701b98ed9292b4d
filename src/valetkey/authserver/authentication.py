"""Which client asks, and whether it is that one, by the one method it is registered for (RFC 6749 2.3).

What a signed assertion has to say is the business of `rfc7523_assertions`.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_plus

from starlette.requests import Request

from valetkey.audit import Audit
from valetkey.authserver.asking import Client, Form
from valetkey.errors import OAuthError
from valetkey.model import HOUR, Actor, AuditEvent, Clock, Secret
from valetkey.people import Agent, Agents, Kind, Tries
from valetkey.store import Store
from valetkey.vault import KeyRing, Purpose

NONE, BASIC, POST, ASSERTION = "none", "client_secret_basic", "client_secret_post", "private_key_jwt"
METHODS = (NONE, BASIC, POST, ASSERTION)
"""How a client may authenticate, as metadata name it (RFC 7591 section 2)."""

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SAYING_NOTHING = {Kind.DOCUMENT: NONE}
"""What a client is registered for that says nothing (RFC 7591 section 2 has `client_secret_basic`)."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows of its client. `proof` is a secret, an assertion, or nothing."""

    client_id: str
    method: str
    proof: Secret


class Assertions(Protocol):
    """Reads and checks a client's assertions (RFC 7523 section 3)."""

    def client_id(self, assertion: str) -> str:
        """Return for which client an assertion claims to be. Raises OAuthError `invalid_client`."""
        ...

    async def check(self, agent: Agent, assertion: str) -> None:
        """Raises OAuthError `invalid_client` where an assertion is not this agent's, or not good now."""
        ...


class ClientAuthentication:
    """Finds the client of a request and checks its proof."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        tries: Tries,
        keys: KeyRing,
        audit: Audit,
        clock: Clock,
        assertions: Assertions,
    ) -> None:
        self._store, self._agents, self._tries, self._keys = store, agents, tries, keys
        self._audit, self._clock, self._assertions = audit, clock, assertions

    async def client(self, request: Request, form: Form) -> Client:
        """Return the client that asks.

        Raises OAuthError: `invalid_client`, the same for an unknown client and a wrong proof;
        `unauthorized_client` for a good one that is suspended.
        """
        shown = self._presented(request, form)
        agent = await self._agents.get(self._store, shown.client_id)
        if agent is None or shown.method != _registered_for(agent):
            agent = await self._refuse(shown, None)
        elif shown.method == ASSERTION:
            await self._assertions.check(agent, shown.proof.reveal())
        elif shown.method != NONE and not self._is_secret_of(agent, shown.proof):
            agent = await self._refuse(shown, agent)
        if agent.suspended is not None:
            raise OAuthError("unauthorized_client", "the operator has suspended this agent")
        await self._seen(agent)
        return Client(agent, proven=shown.method != NONE)

    async def proven(self, request: Request, form: Form) -> Client:
        """Return the client that asks, where it has authenticated. Raises OAuthError as `client` does."""
        client = await self.client(request, form)
        if not client.proven:
            raise not_authenticated()
        return client

    def _presented(self, request: Request, form: Form) -> Presented:
        """Raises OAuthError `invalid_request` for two methods at once (RFC 6749 section 2.3)."""
        named, ways = form.get("client_id"), _ways(request, form)
        if len(ways) > 1:
            raise OAuthError("invalid_request", "authenticate in one way, not in two")
        method, proof = ways[0] if ways else (NONE, "")
        if method == BASIC:
            claimed, proof = _basic(proof)
        elif method == ASSERTION:
            claimed = self._assertions.client_id(proof)
        else:
            claimed = form.need("client_id")
        if named not in {None, claimed}:
            raise OAuthError("invalid_request", "`client_id` names another client than the authentication")
        return Presented(claimed, method, Secret(proof))

    async def _seen(self, agent: Agent) -> None:
        """Remember by the hour that a client is in use: those that are not for long are forgotten."""
        if self._clock.now() - agent.used >= HOUR:
            async with self._store.transaction(durable=False) as tx:
                await self._agents.seen(tx, agent)

    def _is_secret_of(self, agent: Agent, secret: Secret) -> bool:
        given = self._agents.secret_digest(secret.reveal())
        return agent.secret is not None and hmac.compare_digest(given, agent.secret)

    async def _refuse(self, shown: Presented, known: Agent | None) -> Agent:
        """Raise what an unknown client and a wrong secret get alike; wrong secrets are counted and reported.

        The right one is never made to wait: it has 256 random bits, and whoever guesses at it must not
        be able to stop the agent.
        """
        if shown.method in {BASIC, POST}:
            about = self._keys.server(Purpose.LOOKUP).digest(f"client {shown.client_id}")
            if seconds := await self._tries.claim(about):
                text = f"too many wrong secrets for this client; try again in {seconds} seconds"
                raise OAuthError("temporarily_unavailable", text, 429)
            if known:
                facts = {"reason": "wrong_secret"}
                # Not waited for: the time would tell which clients there are.
                self._audit.leave(AuditEvent("client.refused", "agent", None, Actor(known.id), facts))
        raise not_authenticated()


def not_authenticated() -> OAuthError:
    """Return the refusal that never says what was wrong."""
    text = "the client could not be authenticated in the way it is registered for"
    return OAuthError("invalid_client", text, 401)


def _registered_for(agent: Agent) -> str:
    if agent.kind is Kind.FOREIGN:
        return "nothing"  # it is a client of another issuer, not of ours
    return str(agent.metadata.get("token_endpoint_auth_method") or _SAYING_NOTHING.get(agent.kind, BASIC))


def _ways(request: Request, form: Form) -> list[tuple[str, str]]:
    """Every method that a request uses, with what it shows; a public client uses none."""
    headers = [(BASIC, value) for value in request.headers.getlist("authorization")]
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if assertion and form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_client", f"`client_assertion_type` has to be {ASSERTION_TYPE}", 401)
    posted = [(POST, secret)] if secret else []
    return headers + posted + ([(ASSERTION, assertion)] if assertion else [])


def _basic(header: str) -> tuple[str, str]:
    """Return id and secret, form-encoded inside Basic (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        named, shown = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise not_authenticated() from None
    if scheme.lower() != "basic" or not colon:
        raise not_authenticated()
    return named, shown
