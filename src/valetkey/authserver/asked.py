"""What a client asks for at /authorize (RFC 6749 section 4.1.1), read in the order that is safe.

First who asks and where its answer goes: until both are known, nothing is sent anywhere (section 4.1.2.1).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from valetkey.authserver.redirects import answered, fits
from valetkey.errors import OAuthError
from valetkey.people import Agent
from valetkey.people.sessions import SCOPE

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be put before a person. `resource` is the endpoint it is for (RFC 8707)."""

    client: str
    redirect_uri: str
    state: str | None
    challenge: str
    resource: str

    def answer(self, issuer: str, **parameters: str) -> str:
        """Return where the browser goes with the answer, which says who gives it (RFC 9207)."""
        return answered(self.redirect_uri, {**parameters, "state": self.state, "iss": issuer})


class Parameters:
    """The parameters of a request, of which each may come once (RFC 6749 section 3.1)."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get(self, name: str) -> str | None:
        """Return a parameter; without a value it counts as left out. Raises OAuthError: it came twice."""
        values = [value for found, value in self._pairs if found == name]
        if len(values) > 1:
            raise OAuthError("invalid_request", f"`{name}` came twice")
        return (values[0] or None) if values else None

    def need(self, name: str) -> str:
        """Raises OAuthError `invalid_request` where a parameter is missing."""
        if (value := self.get(name)) is None:
            raise OAuthError("invalid_request", f"`{name}` is missing")
        return value

    def state(self) -> str | None:
        """The client's own word for an answer to its request; none where it gave two."""
        try:
            return self.get("state")
        except OAuthError:
            return None

    def refuse_twice(self) -> None:
        """Raises OAuthError for any parameter that came twice, known to us or not."""
        for name in {name for name, _ in self._pairs}:
            self.get(name)


def redirect_uri(parameters: Parameters, client: Agent) -> str:
    """Return where the answer goes. Raises OAuthError, which has to stay on a page of ours."""
    wanted = parameters.need("redirect_uri")
    if not fits(wanted, client.metadata.get("redirect_uris", ())):
        raise OAuthError("invalid_request", "`redirect_uri` is none of those that this client registered")
    return wanted


def asked(
    parameters: Parameters, client: Agent, back_to: str, resources: frozenset[str], usual: str
) -> Asked:
    """Return the request. `resources` are our endpoints, `usual` the one for a client that names none.

    Raises OAuthError, which is told to the client. Scopes we do not have are left out (RFC 6749 3.3).
    """
    parameters.refuse_twice()
    if client.suspended is not None:
        raise OAuthError("unauthorized_client", "the operator has suspended this agent")
    if parameters.need("response_type") != "code":
        raise OAuthError("unsupported_response_type", "`response_type` has to be `code`")
    resource = parameters.get("resource") or usual
    if resource not in resources:
        raise OAuthError("invalid_target", "`resource` is not an endpoint of this server")
    return Asked(client.id, back_to, parameters.state(), _challenge(parameters), resource)


def _challenge(parameters: Parameters) -> str:
    """PKCE is not optional here, and the verifier never travels in the clear (RFC 7636 section 7.2)."""
    if parameters.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "`code_challenge_method` has to be `S256`")
    challenge = parameters.need("code_challenge")
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "`code_challenge` is no SHA-256 digest in base64url")
    return challenge


SCOPES = (SCOPE,)
"""What every client that a person lets in may do: call tools, each as far as the person allows it."""
