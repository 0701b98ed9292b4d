"""What a token exchange asks for (RFC 8693 section 2.1), held against what its subject may give away.

Whether there is a grant for it is not asked here.
"""

import re
from dataclasses import dataclass

from valetkey.authserver.asking import Form
from valetkey.errors import OAuthError
from valetkey.identity.subjects import Subject
from valetkey.people.sessions import SCOPE

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind of token
JWT = "urn:ietf:params:oauth:token-type:jwt"
GRANT = "urn:valetkey:token-type:grant"
"""The public id of a standing grant, in place of a token: it is worth nothing to any agent but its own."""

DEEPEST = 3
"""How many agents may stand behind one another in a token, the one that acts included."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the new token is to say. `chain` is who stands behind the agent, nearest first."""

    chain: tuple[str, ...]
    scopes: tuple[str, ...]
    resource: str


def asked(form: Form, subject: Subject, agent: str) -> Asked:
    """Return what an agent asks for, which never is more than its subject has. Raises OAuthError."""
    return Asked(_chain(subject, agent), _scopes(form, subject), _resource(form, subject))


def refuse_other_kinds(form: Form) -> None:
    """Raises OAuthError `invalid_request` for kinds of tokens that are not exchanged here."""
    if form.need("subject_token_type") not in {ACCESS_TOKEN, JWT, GRANT}:
        raise OAuthError("invalid_request", f"`subject_token_type` is one of {ACCESS_TOKEN}, {JWT}, {GRANT}")
    if form.get("requested_token_type") not in {None, ACCESS_TOKEN}:
        raise OAuthError("invalid_request", f"only {ACCESS_TOKEN} is issued here")
    if bool(form.get("actor_token")) != bool(form.get("actor_token_type")):  # section 2.1
        raise OAuthError("invalid_request", "`actor_token` and `actor_token_type` come together")


def behind(subject: Subject, agent: str) -> tuple[str, ...]:
    """Who stands behind an agent that brings this subject; one that renews its own token adds nothing."""
    others = subject.actor not in {None, agent}
    return (str(subject.actor), *subject.chain) if others else subject.chain


def _chain(subject: Subject, agent: str) -> tuple[str, ...]:
    if subject.may_act not in {None, agent}:  # section 4.4
        raise OAuthError("invalid_request", "this subject token may be exchanged by another agent alone")
    chain = behind(subject, agent)
    if len(chain) >= DEEPEST:
        raise OAuthError("invalid_request", f"a token passes through {DEEPEST} agents at most")
    return chain


def _scopes(form: Form, subject: Subject) -> tuple[str, ...]:
    """What a person's grant is about are tools: no other scope of theirs is ever passed on."""
    given = {SCOPE} & set(subject.scopes)
    wanted = set((form.get("scope") or SCOPE).split())
    if not wanted <= given:
        raise OAuthError(
            "invalid_scope", f"`{SCOPE}` can be exchanged, from a token that has it, and no more"
        )
    return tuple(sorted(wanted))


def _resource(form: Form, subject: Subject) -> str:
    """One of our endpoints, by either name (section 2.1), and none that the subject does not open."""
    wanted = {form.get("resource"), form.get("audience")} - {None} or {subject.resource}
    below = rf"{re.escape(subject.resource)}(/[a-z0-9-]+)?"
    if len(wanted) > 1 or not re.fullmatch(below, resource := str(wanted.pop())):
        raise OAuthError("invalid_target", f"the new token can be for {subject.resource} alone")
    return resource
