"""What a failed refresh means, by exact error codes and never by descriptions; and how long to wait."""

from dataclasses import dataclass
from enum import StrEnum

from valetkey.connections.answer import A_PAGE
from valetkey.errors import EgressError, OAuthRefused
from valetkey.manifest.schema_auth import Refresh
from valetkey.model import MINUTE, SECOND, Randomness, TokenSet
from valetkey.store import Row

_OPERATOR = frozenset({"invalid_client", "unauthorized_client"})  # RFC 6749 section 5.2
_TRANSIENT = frozenset({"temporarily_unavailable", "server_error", A_PAGE})  # RFC 6749 section 4.1.2.1
_PASSING = frozenset({408, 425, 429})
_STRIKES, _STRIKES_OVER = 3, 10 * MINUTE
_LONGEST_BACKOFF = 5 * MINUTE
_RIGHT_AFTER = 10 * MINUTE


class Verdict(StrEnum):
    """What to do after a refresh that brought no tokens."""

    DEAD = "dead"  # the grant is gone: its person has to reconnect
    OPERATOR = "operator"  # the registration is broken: nobody's connection is touched
    TRANSIENT = "transient"  # try again later
    SUSPICIOUS = "suspicious"  # an unexplained refusal: three of them over ten minutes are an end


@dataclass(frozen=True, slots=True)
class Failures:
    """How often in a row it went wrong in one way; `since` when, if each of them was unexplained."""

    count: int
    since: int | None

    @classmethod
    def with_one_more(cls, row: Row, verdict: Verdict, now: int) -> "Failures":
        """What a token set's row has to say after this verdict: a failure of another kind begins anew."""
        unexplained = verdict is Verdict.SUSPICIOUS
        again = (row["since"] is not None) == unexplained
        since = min(row["since"] or now, now)  # a clock that was set back since
        return cls(row["failures"] + 1 if again else 1, since if unexplained else None)


def classify(refresh: Refresh, error: OAuthRefused | EgressError, row: Row, now: int) -> Verdict:
    """Return what a failure means for a token set whose `row` counts the failures before."""
    if not isinstance(error, OAuthRefused):
        return Verdict.TRANSIENT
    if error.error in refresh.dead:
        return Verdict.DEAD
    if is_operators(error, refresh):
        return Verdict.OPERATOR
    if _passes(error, refresh):
        return Verdict.TRANSIENT
    strikes = Failures.with_one_more(row, Verdict.SUSPICIOUS, now)
    out = strikes.count >= _STRIKES and now - (strikes.since or now) >= _STRIKES_OVER
    return Verdict.DEAD if out else Verdict.SUSPICIOUS


def is_operators(error: OAuthRefused, refresh: Refresh) -> bool:
    """Whether the provider refused the registration, and not what was asked with it."""
    return error.error in _OPERATOR or error.error in refresh.operator


def is_final(error: OAuthRefused, refresh: Refresh) -> bool:
    """Whether asking the same again cannot bring another answer."""
    return not _passes(error, refresh) and not is_operators(error, refresh)


def _passes(error: OAuthRefused, refresh: Refresh) -> bool:
    by_code = error.error in _TRANSIENT or error.error in refresh.transient
    return by_code or error.status in _PASSING or error.status >= 500


def looks_stolen(refresh: Refresh, tokens: TokenSet, version: int, now: int) -> bool:
    """Whether a dead refresh token may have died of somebody else's use of it (RFC 9700 section 4.14.2).

    It came with the last renewal, nobody has used it, and minutes later it is refused.
    """
    return refresh.rotates and version > 1 and 0 <= now - tokens.issued_at < _RIGHT_AFTER


def backoff(failures: int, retry_after: float | None, randomness: Randomness) -> int:
    """Milliseconds before the next try: what the provider asks, or full jitter up to five minutes."""
    if retry_after is not None:
        return max(SECOND, int(retry_after * SECOND))
    top = min(_LONGEST_BACKOFF, SECOND << min(failures, 16))
    return SECOND + int.from_bytes(randomness(4), "big") * top // 2**32
