"""Who calls: over HTTP by a request's own token, over stdio by what was there at the start.

Never `clientInfo`, an argument, a session id or `_meta`: those are what a client says of itself.
"""

import json
from typing import Protocol

from mcp.server.auth.middleware.auth_context import get_access_token

from valetkey.errors import Unauthenticated
from valetkey.identity import Identity
from valetkey.model import Actor, Caller, Principal, Secret


class Callers(Protocol):
    """Where the handlers learn for whom, and as which agent, a request is made."""

    async def current(self) -> Caller:
        """Return the caller of this request. Raises Unauthenticated."""
        ...

    def bound_to(self) -> str:
        """What request state is bound to: text that no other caller's requests give."""
        ...


class RequestCallers:
    """HTTP: the verified token of this very request, which the door has put into its context.

    Its session is read again each time: a call that was held may go on only if it still lives.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def current(self) -> Caller:
        caller = _of_context()
        await self._identity.session(caller.session)
        return caller

    def bound_to(self) -> str:
        return binding(_of_context())


class TokenCallers:
    """stdio with a token: verified anew on each request, so that ending its session ends it here too."""

    def __init__(self, identity: Identity, token: Secret, caller: Caller) -> None:
        self._identity, self._token, self._caller = identity, token, caller

    @classmethod
    async def of(cls, identity: Identity, token: Secret) -> "TokenCallers":
        """Raises Unauthenticated when the token is not good to begin with."""
        found = await identity.of_token(token.reveal())
        return cls(identity, token, found.caller)

    async def current(self) -> Caller:
        return (await self._identity.of_token(self._token.reveal())).caller

    def bound_to(self) -> str:
        return binding(self._caller)


class LocalCallers:
    """stdio without a token: the owner of this home, and the agent named `local`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def current(self) -> Caller:
        return self._caller

    def bound_to(self) -> str:
        return binding(self._caller)


def binding(caller: Caller) -> str:
    """A caller as one string: JSON, so that no two callers give the same."""
    return json.dumps([caller.principal.issuer, caller.principal.subject, caller.actor.client])


def _of_context() -> Caller:
    token = get_access_token()
    if token is None or token.subject is None or token.claims is None:
        raise Unauthenticated("this request names no caller")
    claims = token.claims
    principal = Principal(claims["iss"], token.subject)
    return Caller(principal, Actor(token.client_id, claims["chain"]), claims["sid"], claims["away"])
