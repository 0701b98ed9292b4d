"""Clients whose id is the URL of their metadata (draft-ietf-oauth-client-id-metadata-document).

The documents are fetched when such a client comes, remembered for as long as they say, within bounds, and
kept as an agent only once a person has let the client in.
"""

import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from valetkey.authserver.known import known_clients
from valetkey.authserver.metadata import method_of, name_of, read_metadata, wrong
from valetkey.authserver.redirects import usable_all
from valetkey.egress import Egress, Incoming, Limits, Outgoing, origin_of
from valetkey.errors import EgressError, OAuthError
from valetkey.model import DAY, HOUR, MINUTE, SECOND, Clock, Json
from valetkey.people import Agent, Kind

LIMITS = Limits(seconds=5, bytes=16 * 1024)
LONGEST = 500
SHORTEST_KEPT, USUALLY_KEPT, LONGEST_KEPT = MINUTE, HOUR, DAY
FAILURE_KEPT = MINUTE

_MOST_KEPT, _MOST_AT_ONCE, _MOST_A_MINUTE = 1_000, 20, 60
"""Strangers can make us fetch: a bound on what that costs us, and those they send us to."""

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?([0-9]{1,9})", re.IGNORECASE)
_METHODS = ("none", "private_key_jwt")
"""A document is public: there is no secret in it (section 4.1 of the draft)."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What came of a fetch: a client, or why there is none."""

    agent: Agent | None
    problem: str
    until: int


class Documents:
    """Fetches clients' documents.

    `private` are the origins that `[egress] allow` opens: they are not there for whatever a stranger names.
    """

    def __init__(self, egress: Egress, clock: Clock, private: frozenset[str] = frozenset()) -> None:
        self._egress, self._clock, self._private = egress, clock, private
        self._known = known_clients()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._fetched: deque[int] = deque(maxlen=_MOST_A_MINUTE)
        self._under_way = 0

    async def client(self, url: str) -> Agent:
        """Return the client whose metadata are at `url`. Raises OAuthError `invalid_client`.

        Where it cannot be fetched and ships with us, that is the answer.
        """
        kept = self._kept.get(url)
        if kept is None or kept.until <= self._clock.now():
            kept = await self._anew(url)
            self._keep(url, kept)
        if kept.agent is None:
            raise OAuthError("invalid_client", kept.problem)
        return kept.agent

    async def _anew(self, url: str) -> _Kept:
        now = self._clock.now()
        try:
            reply = await self._fetch(url)
            return _Kept(_agent(url, read_metadata(reply.body)), "", now + _lasts(reply))
        except OAuthError as refused:
            return _Kept(None, refused.description, now + FAILURE_KEPT)
        except EgressError:
            problem = f"the client's metadata at {url} cannot be fetched now; try again in a minute"
            return _Kept(self._known.get(url), problem, now + FAILURE_KEPT)

    async def _fetch(self, url: str) -> Incoming:
        """Raises OAuthError for a URL or an answer that no client's document has, EgressError: not now."""
        origin = _checked(url)
        if origin in self._private:
            raise OAuthError("invalid_client", f"{origin} is reached for its connectors alone")
        self._refuse_flood()
        self._under_way += 1
        try:
            request = Outgoing("GET", url, (("Accept", "application/json"),))
            reply = await self._egress.send(request, origins=frozenset({origin}), limits=LIMITS)
        finally:
            self._under_way -= 1
        return _document(url, reply)

    def _refuse_flood(self) -> None:
        now = self._clock.now()
        busy = len(self._fetched) == _MOST_A_MINUTE and now - self._fetched[0] < 60 * SECOND
        if busy or self._under_way >= _MOST_AT_ONCE:
            raise EgressError("too many clients' documents are being fetched")
        self._fetched.append(now)

    def _keep(self, url: str, kept: _Kept) -> None:
        self._kept[url] = kept
        self._kept.move_to_end(url)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def _checked(url: str) -> str:
    """Return the origin of a client's id (section 3 of the draft). Raises OAuthError `invalid_client`."""
    try:
        origin = origin_of(url)
    except EgressError as refused:
        raise OAuthError("invalid_client", f"this client's id cannot be fetched: {refused}") from None
    if len(url) > LONGEST or urlsplit(url).path in {"", "/"}:
        raise OAuthError("invalid_client", f"a client's id needs a path, and at most {LONGEST} characters")
    return origin


def _document(url: str, reply: Incoming) -> Incoming:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if reply.status >= 500:
        raise EgressError("the client's server fails")
    if reply.status != 200 or not (kind == "application/json" or kind.endswith("+json")):
        raise OAuthError("invalid_client", f"there is no client metadata at {url}")
    return reply


def _agent(url: str, metadata: Mapping[str, Json]) -> Agent:
    """Raises OAuthError for a document of another client, or one that is none."""
    if metadata.get("client_id") != url:
        raise OAuthError("invalid_client", f"the document at {url} is of another client")
    if "client_secret" in metadata:
        raise OAuthError("invalid_client", "a public document holds a client secret")
    method = method_of(metadata, _METHODS)
    kept: dict[str, Json] = {
        "redirect_uris": list(usable_all(metadata.get("redirect_uris"))),
        "token_endpoint_auth_method": method,
    }
    if method == "private_key_jwt":
        kept["jwks"] = _keys(metadata)
    return Agent(url, name_of(metadata, urlsplit(url).netloc), None, Kind.DOCUMENT, kept)


def _keys(metadata: Mapping[str, Json]) -> Json:
    if not isinstance(metadata.get("jwks"), dict):
        raise wrong("`private_key_jwt` needs the keys in `jwks`")
    return metadata["jwks"]


def _lasts(reply: Incoming) -> int:
    """How long an answer is good for (RFC 9111 section 5.2.2.1), in milliseconds, within our bounds."""
    found = _MAX_AGE.search(reply.headers.get("cache-control", ""))
    wanted = int(found[1]) * SECOND if found else USUALLY_KEPT
    return min(max(wanted, SHORTEST_KEPT), LONGEST_KEPT)
