"""What a failed refresh means, by exact error codes and never by descriptions; and how long to wait."""

from collections.abc import Collection
from enum import StrEnum

from valetkey.errors import EgressError, OAuthRefused
from valetkey.model import MINUTE, SECOND, Randomness
from valetkey.store import Row

_OPERATOR = frozenset({"invalid_client", "unauthorized_client"})
_PASSING = frozenset({408, 425, 429})
_STRIKES, _STRIKES_OVER = 3, 10 * MINUTE
_LONGEST_BACKOFF = 5 * MINUTE


class Verdict(StrEnum):
    """What to do after a refresh that brought no tokens."""

    DEAD = "dead"  # the grant is gone: its person has to reconnect
    OPERATOR = "operator"  # the registration is broken: nobody's connection is touched
    TRANSIENT = "transient"  # try again later
    SUSPICIOUS = "suspicious"  # an unexplained refusal: three of them over ten minutes are an end


def classify(dead: Collection[str], error: OAuthRefused | EgressError, row: Row, now: int) -> Verdict:
    """Return what a failure means for a token set whose `row` counts the failures before."""
    if not isinstance(error, OAuthRefused):
        return Verdict.TRANSIENT
    if error.error in dead:
        return Verdict.DEAD
    if error.error in _OPERATOR:
        return Verdict.OPERATOR
    if error.status in _PASSING or error.status >= 500 or error.status < 300:
        return Verdict.TRANSIENT
    struck = row["failures"] + 1 >= _STRIKES and row["since"] and now - row["since"] >= _STRIKES_OVER
    return Verdict.DEAD if struck else Verdict.SUSPICIOUS


def backoff(failures: int, retry_after: float | None, randomness: Randomness) -> int:
    """Milliseconds before the next try: what the provider asks, or full jitter up to five minutes."""
    if retry_after is not None:
        return int(retry_after * SECOND)
    top = min(_LONGEST_BACKOFF, SECOND << min(failures, 16))
    return SECOND + int.from_bytes(randomness(4), "big") * top // 2**32
