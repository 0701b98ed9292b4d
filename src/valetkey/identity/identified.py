"""What a credential comes to: a caller with the facts of the token, or the subject of an exchange."""

from dataclasses import dataclass

from valetkey.identity.tokens import Claims
from valetkey.model import Caller, Principal


@dataclass(frozen=True, slots=True)
class Identified:
    """A caller, and the facts of the token that named them."""

    caller: Caller
    claims: Claims


@dataclass(frozen=True, slots=True)
class Subject:
    """What a subject token says. `until` is in epoch milliseconds, `resource` the endpoint it opens.

    `actor` is the client that it was issued to, with the `chain` behind that (nearest first). `session` is
    ours behind it, with which everything got for it ends. `may_act` is the only agent that may exchange it
    (section 4.4); None: any that is authenticated. `away`: it goes back to a grant whose person was away.
    """

    principal: Principal
    until: int
    scopes: tuple[str, ...]
    resource: str
    actor: str | None = None
    chain: tuple[str, ...] = ()
    session: str | None = None
    may_act: str | None = None
    away: bool = False
