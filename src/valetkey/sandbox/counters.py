"""What a provider saw: the numbers tests compare with what our side claims. Never a token or a secret."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from valetkey.model import Json


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived: names of headers, and the account of its bearer token, live or dead.

    `path` is the raw path (and for API requests the raw query) before any decoding.
    """

    method: str
    path: str
    headers: tuple[str, ...]
    account: str | None

    @classmethod
    def of(cls, request: Request, account: str | None, *, with_query: bool) -> "Seen":
        query = request.scope["query_string"].decode("latin-1") if with_query else ""
        path = request.scope["raw_path"].split(b"?")[0].decode("latin-1")
        names = tuple(name.decode("latin-1").lower() for name, _ in request.scope["headers"])
        return cls(request.method, f"{path}?{query}" if query else path, names, account)

    def as_json(self) -> Json:
        headers = list(self.headers)
        return {"method": self.method, "path": self.path, "headers": headers, "account": self.account}


@dataclass(slots=True)
class Counters:
    """One provider's counts since the last reset.

    `token_requests` by (grant type, "ok" or error), `refreshes` by account and by grant id, `api_calls`
    by the account whose token came, `api_refused` by reason, `faults` by name, `last` by kind of endpoint.
    `most_at_once` is how many requests were being answered side by side, by kind.
    """

    token_requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    refreshes: Counter[str] = field(default_factory=Counter)
    refreshes_by_grant: Counter[str] = field(default_factory=Counter)
    api_calls: Counter[str] = field(default_factory=Counter)
    api_refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    at_once: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    revocations: int = 0
    codes_issued: int = 0
    codes_reused: int = 0
    last: dict[str, Seen] = field(default_factory=dict)
    posted: list[Json] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def saw(self, kind: str, request: Request, account: str | None) -> None:
        """Note a request to an endpoint of this kind, and whose bearer token came with it."""
        self.requests[kind] += 1
        self.last[kind] = Seen.of(request, account, with_query=kind == "api")

    @contextmanager
    def under_way(self, kind: str) -> Iterator[None]:
        """Count a request among those that are being answered, for the length of the block."""
        self.at_once[kind] += 1
        self.most_at_once[kind] = max(self.most_at_once[kind], self.at_once[kind])
        try:
            yield
        finally:
            self.at_once[kind] -= 1

    def as_json(self) -> Json:
        return {
            "token_requests": _nested(self.token_requests),
            "refreshes": dict(self.refreshes),
            "refreshes_by_grant": dict(self.refreshes_by_grant),
            "api_calls": dict(self.api_calls),
            "api_refused": dict(self.api_refused),
            "faults": dict(self.faults),
            "requests": dict(self.requests),
            "most_at_once": dict(self.most_at_once),
            "revocations": self.revocations,
            "codes_issued": self.codes_issued,
            "codes_reused": self.codes_reused,
            "last": {kind: seen.as_json() for kind, seen in self.last.items()},
            "posted": self.posted,
            "paths": self.paths,
        }


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (first, second), count in counts.items():
        nested.setdefault(first, {})[second] = count
    return nested
