"""A secret that a person copied from a provider: tried once with `whoami`, and kept if it works.

It is typed on our own page and comes from nowhere else; how often one may try is counted in `needs`.
"""

import re
from dataclasses import dataclass

from valetkey.connections.keeping import Keeping
from valetkey.errors import CallError, EgressError, PageError
from valetkey.manifest import Account, Connector
from valetkey.manifest.schema_auth import Basic
from valetkey.model import Clock, Connection, Json, Outcome, Principal, Secret, TokenSet
from valetkey.store import Transaction

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_NAME = re.compile(r"[^:\x00-\x1f\x7f-\x9f]{1,1000}")  # RFC 7617 section 2: the first colon ends the name
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1000}")
_NO_GOOD = frozenset({Outcome.RECONNECT, Outcome.FORBIDDEN, Outcome.INSUFFICIENT_SCOPE, Outcome.INVALID})


@dataclass(frozen=True, slots=True)
class Typed:
    """What stood in the fields of the page. `name` is empty where a secret has none beside it."""

    secret: Secret
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A secret that works, and whose it is. Nothing of it is stored yet."""

    connector: Connector
    tokens: TokenSet
    account: Account


class NotTaken(PageError):
    """A secret that was not kept; the text says why. `connector` is whose field it stood in."""

    def __init__(self, connector: Connector, text: str, status: int = 422) -> None:
        self.connector = connector.name
        super().__init__(status, "Not connected", text)


class Pasting:
    """Makes connections of secrets that people typed."""

    def __init__(self, keeping: Keeping, clock: Clock) -> None:
        self._keeping, self._clock = keeping, clock

    async def tried(self, connector: Connector, typed: Typed) -> Tried:
        """Ask the provider whose secret this is. Raises NotTaken; nothing is stored either way."""
        tokens = self._tokens(connector, _written(connector, typed))
        try:
            account = await self._keeping.account(connector, tokens)
        except (CallError, EgressError) as error:
            raise _not_taken(connector, error) from None
        if account is None:
            raise AssertionError("a manifest whose secret is pasted has a `whoami`")
        return Tried(connector, tokens, account)

    async def keep(
        self, tx: Transaction, tried: Tried, principal: Principal, request: str, luggage: Json
    ) -> Connection:
        """Seal a secret that works; its connection then waits for the person's word."""
        new = self._keeping.new(tried.tokens, principal, tried.connector)
        sealed = await self._keeping.seal(tx, new, tried.tokens, tried.connector, request, luggage)
        return await self._keeping.name(tx, sealed, tried.account)

    def _tokens(self, connector: Connector, secret: Secret) -> TokenSet:
        """No provider says what a pasted secret may do: until a call shows otherwise, all that is needed."""
        return TokenSet(
            access=secret,
            refresh=None,
            issued_at=self._clock.now(),
            expires_at=None,
            scopes=connector.scopes,
            origins=connector.origins,
            registration=None,
            connectors=frozenset({connector.name}),
            overridden=self._keeping.overridden(connector),
        )


def _written(connector: Connector, typed: Typed) -> Secret:
    """Return the secret as it is sealed, without what a clipboard puts around it. Raises NotTaken."""
    if isinstance(connector.auth, Basic) and connector.auth.secret == "pair":  # noqa: S105 - the manifest's word
        name, password = typed.name.strip(), typed.secret.reveal()
        if not _NAME.fullmatch(name) or not _PASSWORD.fullmatch(password):
            raise NotTaken(connector, "Fill in both the name and the password; the name holds no colon.")
        return Secret(f"{name}:{password}")
    secret = typed.secret.reveal().strip()
    if not _TOKEN.fullmatch(secret):
        raise NotTaken(connector, "Paste the whole secret: one line of letters, digits and signs.")
    return Secret(secret)


def _not_taken(connector: Connector, error: CallError | EgressError) -> NotTaken:
    if isinstance(error, CallError) and error.outcome in _NO_GOOD:
        text = f"{connector.title} does not take this. Nothing was kept: copy it again, whole, and try again."
        return NotTaken(connector, text)
    text = f"{connector.title} could not say whose this is. Nothing was kept: try again a little later."
    return NotTaken(connector, text, 502)
