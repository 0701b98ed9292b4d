"""What a grant type answers with (RFC 6749 section 5.1), and how a client asks for less than was allowed."""

from dataclasses import replace

from valetkey.authserver.asking import Form
from valetkey.errors import OAuthError
from valetkey.identity import Tokens
from valetkey.model import MINUTE, Clock, Json
from valetkey.people import Session

LASTS = 10 * MINUTE
"""How long an access token lasts at most: its session's end holds before that, on the next call."""


def bearer(tokens: Tokens, clock: Clock, session: Session) -> dict[str, Json]:
    """Return the answer with a new access token of a session."""
    lasts = min(LASTS, session.until - clock.now())
    return {
        "access_token": tokens.mint(session, lasts),
        "token_type": "Bearer",
        "expires_in": lasts // 1000,
        "scope": " ".join(session.scopes),
    }


def narrowed(tokens: Tokens, session: Session, form: Form) -> Session:
    """Return a session as one token of it is asked for, by `scope` and `resource` (RFC 8707 section 2.2).

    Raises OAuthError: `invalid_scope`, `invalid_target` for what was not allowed in the first place.
    """
    scopes = tuple((form.get("scope") or " ".join(session.scopes)).split())
    if not set(scopes) <= set(session.scopes):
        raise OAuthError("invalid_scope", "`scope` has more than was allowed")
    allowed = session.resource or tokens.resource
    resource = form.get("resource") or allowed
    if not tokens.reaches(allowed, resource):
        raise OAuthError("invalid_target", "`resource` is not what was allowed, nor a part of it")
    return replace(session, scopes=scopes, resource=resource)
