"""Three providers without OAuth, each with its own way of taking a secret that a person copies: `keyed`,
`bearer` and `basic`. Everybody has two secrets at each, always the same ones. Their API is in `pasted_api`.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from types import MappingProxyType

from starlette.requests import Request

from valetkey.model import Clock, Randomness
from valetkey.sandbox.ledger import Marks
from valetkey.sandbox.people import PEOPLE, Person
from valetkey.sandbox.provider import Client, Provider, ProviderKind, bearer_token
from valetkey.sandbox.rules import Rules

NO_CLIENT = Client("", "", name="")

Secrets = Mapping[str, tuple[str, ...]]
"""By account. Of `basic`: first the pair `name:password`, then the token that stands in for one half."""


def _each(*forms: str) -> Secrets:
    """Give everybody secrets of these forms."""
    return MappingProxyType({one.email: tuple(_filled(form, one) for form in forms) for one in PEOPLE})


def _filled(form: str, person: Person) -> str:
    return form.format(name=person.handle, email=person.email)


KEYS = _each("keyed-{name}-7d41c0", "keyed-{name}-2b9e55")
TOKENS = _each("bearer-{name}-c83f1a", "bearer-{name}-5570de")
LOGINS = _each("{email}:{name}-basic-password", "basic-{name}-91ab3c")


class Pasted:
    """One provider of the three. `provider` has its books, `secrets` what people have there."""

    def __init__(
        self,
        name: str,
        secrets: Secrets,
        read: Callable[[Request], str],
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self.secrets = secrets
        self.provider = Provider(_kind(name, read), clock, randomness)
        self.hand_out()

    def hand_out(self) -> None:
        """Make everybody's secrets work. Each has a grant, so that it can be revoked alone."""
        for account, secrets in self.secrets.items():
            for secret in secrets:
                self.provider.ledger.hand_out(secret, account)


def _kind(name: str, read: Callable[[Request], str]) -> ProviderKind:
    return ProviderKind(
        name=name,
        issuer=f"https://{name}.example",
        client=NO_CLIENT,
        rules=Rules(lifetime=None),
        marks=Marks("", "", ""),
        limited={"error": "too_many_requests"},
        secret=read,
    )


def keyed(clock: Clock, randomness: Randomness) -> Pasted:
    """A key in the header X-Api-Key; with the rule `secret_in_query`, in the parameter api_key too."""

    def read(request: Request) -> str:
        header = request.headers.get("x-api-key", "")
        in_query = pasted.provider.rules.secret_in_query
        return header or (request.query_params.get("api_key", "") if in_query else "")

    pasted = Pasted("keyed", KEYS, read, clock, randomness)
    return pasted


def bearer(clock: Clock, randomness: Randomness) -> Pasted:
    """A token as `Authorization: Bearer`."""
    return Pasted("bearer", TOKENS, bearer_token, clock, randomness)


def basic(clock: Clock, randomness: Randomness) -> Pasted:
    """HTTP Basic (RFC 7617): a pair, or a token as the name of no password or the password of `api`."""
    return Pasted("basic", LOGINS, basic_secret, clock, randomness)


def basic_secret(request: Request) -> str:
    """Return the pair or the token of `Authorization: Basic`, or ""."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
    name, _, password = pair.partition(":")
    if name == "api":
        return password if ":" not in password else ""
    return pair if password else name
