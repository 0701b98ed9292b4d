"""When a token set is renewed though nobody asks for it, and when it ends whatever anybody does.

A set that is in use is renewed at four fifths of its life. One that nobody has used since its last renewal is
kept alive once a day: often enough for any provider that forgets what is idle, and for its person to hear
within a day that it has ended; seldom enough to cost nothing.
"""

from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import OAuth2, Refresh
from valetkey.model import DAY, MINUTE, Randomness, TokenSet

_KEEP_ALIVE = DAY
_SHORTEST = 10 * MINUTE
"""A life shorter than this has no time between four fifths and its last minute for a job to come round."""


def refreshing(connector: Connector) -> Refresh:
    """What a connector's provider does with refresh tokens; nothing where a secret is pasted."""
    return connector.auth.refresh if isinstance(connector.auth, OAuth2) else Refresh()


def idle_at(refresh: Refresh, tokens: TokenSet, randomness: Randomness) -> int | None:
    """When to renew a set that nobody uses, None: never. Not before its end, if there is time for that."""
    if tokens.refresh is None:
        return None
    latest = None if refresh.idle is None else tokens.issued_at + _about(refresh.idle // 2, randomness)
    if tokens.expires_at is None:
        return latest
    at = max(tokens.expires_at, tokens.issued_at + _about(_KEEP_ALIVE, randomness))
    return at if latest is None else min(at, latest)


def ahead_at(refresh: Refresh, tokens: TokenSet, randomness: Randomness) -> int | None:
    """When to renew a set that is in use, before its end; None: not before it is asked for."""
    if not refresh.ahead or tokens.refresh is None or tokens.expires_at is None:
        return None
    life = tokens.expires_at - tokens.issued_at
    return None if life < _SHORTEST else tokens.issued_at + _about(life * 4 // 5, randomness)


def ends_at(refresh: Refresh, tokens: TokenSet) -> int | None:
    """When a set ends for good, by what is known now; None: not known, or in a day and not worth a word."""
    if tokens.refresh is None:
        lasts = (tokens.expires_at or 0) - tokens.issued_at
        return tokens.expires_at if lasts > DAY else None
    idle = None if refresh.idle is None else tokens.issued_at + refresh.idle
    begun = tokens.consented_at
    absolute = None if refresh.absolute is None or begun is None else begun + refresh.absolute
    ends = [end for end in (tokens.refresh_until, idle, absolute) if end is not None]
    return min(ends, default=None)


def _about(span: int, randomness: Randomness) -> int:
    """A span, give or take a tenth: what began at once does not come back at once."""
    return span * 9 // 10 + span * int.from_bytes(randomness(4), "big") // 5 // 2**32
