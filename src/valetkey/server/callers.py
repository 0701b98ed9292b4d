"""Who calls: over HTTP by a request's own token, over stdio by what was there at the start.

Never `clientInfo`, an argument, a session id or `_meta`: those are what a client says of itself.
"""

import json
from typing import Protocol

from mcp.server.auth.middleware.auth_context import get_access_token

from valetkey.calls.policy import Policy
from valetkey.errors import Unauthenticated
from valetkey.identity import Identity
from valetkey.model import Actor, Caller, Principal, Secret

_CANNOT_BE_ASKED = 503


class Callers(Protocol):
    """Where the handlers learn for whom, and as which agent, a request is made."""

    async def arrived(self) -> Caller:
        """Return the caller of a request that has just come in. Raises Unauthenticated."""
        ...

    async def current(self) -> Caller:
        """Return the caller of a request that was held, if they would still be let in.

        Raises Unauthenticated.
        """
        ...

    def known(self) -> Caller:
        """Return whom the request was let in as, without a look at whether that holds still."""
        ...

    async def stands(self, caller: Caller) -> bool:
        """Whether somebody who was let in would be now, and is not suspended."""
        ...


class RequestCallers:
    """HTTP: the verified token of this very request, which the door has put into its context.

    The door has just read its session. `current` reads it again: a call that was held may go on only if it
    still lives.
    """

    def __init__(self, identity: Identity, policy: Policy) -> None:
        self._identity, self._policy = identity, policy

    async def arrived(self) -> Caller:
        return of_request()

    async def current(self) -> Caller:
        caller = of_request()
        await self._identity.session(caller.session)
        return caller

    def known(self) -> Caller:
        return of_request()

    async def stands(self, caller: Caller) -> bool:
        return await _stands(self._identity, self._policy, caller)


class TokenCallers:
    """stdio with a token: verified anew on each request, so that ending its session ends it here too."""

    def __init__(self, identity: Identity, policy: Policy, token: Secret, caller: Caller) -> None:
        self._identity, self._policy, self._token, self._caller = identity, policy, token, caller

    @classmethod
    async def of(cls, identity: Identity, policy: Policy, token: Secret) -> "TokenCallers":
        """Raises Unauthenticated when the token is not good to begin with."""
        found = await identity.of_token(token.reveal())
        return cls(identity, policy, token, found.caller)

    async def arrived(self) -> Caller:
        return await self.current()

    async def current(self) -> Caller:
        return (await self._identity.of_token(self._token.reveal())).caller

    def known(self) -> Caller:
        return self._caller

    async def stands(self, caller: Caller) -> bool:
        return await _stands(self._identity, self._policy, caller)


class LocalCallers:
    """stdio without a token: the owner of this home, and the agent named `local`."""

    def __init__(self, policy: Policy, caller: Caller) -> None:
        self._policy, self._caller = policy, caller

    async def arrived(self) -> Caller:
        return self._caller

    async def current(self) -> Caller:
        return self._caller

    def known(self) -> Caller:
        return self._caller

    async def stands(self, caller: Caller) -> bool:
        return not await self._policy.stopped(caller)


def binding(caller: Caller) -> str:
    """A caller as one string: JSON, so that no two callers give the same."""
    return json.dumps([caller.principal.issuer, caller.principal.subject, caller.actor.client])


async def _stands(identity: Identity, policy: Policy, caller: Caller) -> bool:
    """An issuer that cannot be asked just now ends nobody: nothing new is let in on its word meanwhile."""
    try:
        await identity.session(caller.session)
    except Unauthenticated as refused:
        return refused.status == _CANNOT_BE_ASKED
    return not await policy.stopped(caller)


def of_request() -> Caller:
    """The caller that the door has put into the context of an HTTP request. Raises Unauthenticated."""
    token = get_access_token()
    if token is None or token.subject is None or token.claims is None:
        raise Unauthenticated("this request names no caller")
    claims = token.claims
    principal = Principal(claims["iss"], token.subject)
    return Caller(principal, Actor(token.client_id, claims["chain"]), claims["sid"], claims["away"])
