"""What a failed refresh means, by exact error codes and never by descriptions; and how long to wait."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from valetkey.errors import EgressError, OAuthRefused
from valetkey.model import MINUTE, SECOND, Randomness
from valetkey.store import Row

_OPERATOR = frozenset({"invalid_client", "unauthorized_client"})  # RFC 6749 section 5.2
_OPERATOR |= {"invalid_client_id", "bad_client_secret", "incorrect_client_credentials"}  # Slack, GitHub
_OPERATOR |= {"redirect_uri_mismatch", "bad_redirect_uri"}  # Google and GitHub, Slack
_PASSING = frozenset({408, 425, 429})
_STRIKES, _STRIKES_OVER = 3, 10 * MINUTE
_LONGEST_BACKOFF = 5 * MINUTE


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
        return cls(row["failures"] + 1 if again else 1, (row["since"] or now) if unexplained else None)


def classify(dead: Collection[str], error: OAuthRefused | EgressError, row: Row, now: int) -> Verdict:
    """Return what a failure means for a token set whose `row` counts the failures before."""
    if not isinstance(error, OAuthRefused):
        return Verdict.TRANSIENT
    if error.error in dead:
        return Verdict.DEAD
    if is_operators(error):
        return Verdict.OPERATOR
    if error.status in _PASSING or error.status >= 500 or error.status < 300:
        return Verdict.TRANSIENT
    strikes = Failures.with_one_more(row, Verdict.SUSPICIOUS, now)
    out = strikes.count >= _STRIKES and now - (strikes.since or now) >= _STRIKES_OVER
    return Verdict.DEAD if out else Verdict.SUSPICIOUS


def is_operators(error: OAuthRefused) -> bool:
    """Whether the provider refused the registration, and not what was asked with it."""
    return error.error in _OPERATOR


def is_final(error: OAuthRefused) -> bool:
    """Whether asking the same again cannot bring another answer."""
    passes = error.status in _PASSING or error.status >= 500
    return not passes and not is_operators(error)


def backoff(failures: int, retry_after: float | None, randomness: Randomness) -> int:
    """Milliseconds before the next try: what the provider asks, or full jitter up to five minutes."""
    if retry_after is not None:
        return int(retry_after * SECOND)
    top = min(_LONGEST_BACKOFF, SECOND << min(failures, 16))
    return SECOND + int.from_bytes(randomness(4), "big") * top // 2**32
