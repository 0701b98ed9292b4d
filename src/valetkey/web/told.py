"""What the record says, in words for the person it is about: how calls ended, and what was done otherwise."""

from collections.abc import Mapping

from valetkey.audit.read import AuditRecord
from valetkey.model import Outcome

ENDINGS: Mapping[str, tuple[str, str]] = {
    Outcome.OK: ("done", "Done"),
    Outcome.NOT_CONNECTED: ("asked", "Asked you to connect"),
    Outcome.RECONNECT: ("asked", "Asked you to reconnect"),
    Outcome.INSUFFICIENT_SCOPE: ("asked", "Asked for more access"),
    Outcome.NOT_GRANTED: ("asked", "Asked whether it may"),
    Outcome.AMBIGUOUS: ("asked", "Asked which account"),
    Outcome.APPROVAL_NEEDED: ("asked", "Asked for your approval"),
    Outcome.DECLINED: ("refused", "You said no"),
    Outcome.DENIED: ("refused", "Refused by the operator"),
    Outcome.INVALID: ("failed", "Was not valid"),
    Outcome.NOT_FOUND: ("failed", "Not found"),
    Outcome.FORBIDDEN: ("failed", "Not allowed there"),
    Outcome.CONFLICT: ("failed", "In conflict there"),
    Outcome.RATE_LIMITED: ("failed", "Too much at once"),
    Outcome.UNAVAILABLE: ("failed", "Could not be reached"),
    Outcome.FAILED: ("failed", "Failed"),
    Outcome.UNKNOWN: ("failed", "No answer: it may have happened"),
}
"""Every outcome: what kind of ending it is, and the words for it."""

KINDS: Mapping[str, str] = {
    "done": "Done",
    "asked": "Asked you first",
    "refused": "Refused",
    "failed": "Failed",
}

_ACTS: Mapping[str, str] = {
    "person.joined": "Joined",
    "person.signed_in": "Signed in",
    "person.signed_out": "Signed out",
    "person.sign_in_failed": "A wrong password was given",
    "password.changed": "Changed the password",
    "passkey.added": "Added a passkey",
    "passkey.removed": "Removed a passkey",
    "passkey.copied": "A passkey looked copied",
    "session.ended": "Ended a sign-in",
    "request.declined": "Said no to {agent}",
    "request.linked": "Made a link for {agent}",
    "connection.connected": "Connected {connector}",
    "connection.needs_reauth": "Access to {connector} ended",
    "connection.revoked": "Disconnected {connector}",
    "grant.given": "Allowed {agent}",
    "grant.narrowed": "Left {agent} only this",
    "grant.extended": "Allowed {agent} more, in all",
    "grant.revoked": "Took back from {agent}",
    "agent.stopped": "Stopped {agent}",
    "token.minted": "Made a token for {agent}",
    "token.revoked": "Ended a token of {agent}",
    "token.exchanged": "Signed in to act for you",
    "token.refused": "Was refused a token to act for you",
    "secret.refused": "A pasted secret was not taken",
    "address.proved": "Gave an address for notices",
    "address.removed": "Removed the address for notices",
    "possible_token_theft": "A key of {connector} was used by somebody else, or twice",
    "callback.refused": "Came back from a provider in vain",
}

_GIVEN_BACK: Mapping[str, str] = {
    "revoked": "{connector} confirmed that the access is gone",
    "pending": "{connector} did not confirm yet that the access is gone",
    "shared": "{connector} is told with the last connection of this account",
    "not_supported": "{connector} cannot be told: the access is removed there, by you",
    "failed": "{connector} did not confirm: remove the access there",
}
UNTOLD = frozenset({"request.made", "request.met", "connection.pending", "connection.confirming"})
UNTOLD |= {"tokens.refreshed", "tokens.forgotten"}
"""Steps on the way to what is told, and what goes on by itself."""


def ending(record: AuditRecord) -> tuple[str, str]:
    """Return what kind of ending a call has come to, and the words for it."""
    return ENDINGS.get(record.outcome or "", ("failed", record.outcome or "Failed"))


def act(kind: str, agent: str, connector: str, at_provider: str = "") -> str:
    """Say what was done by whoever did it; what has no words yet keeps its name."""
    said = _GIVEN_BACK.get(at_provider) or _ACTS.get(kind, kind)
    return said.format(agent=agent or "an agent", connector=connector or "an account")
