"""Where the pages are: the one origin everything is built from, and the names requests may arrive under."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from valetkey.errors import PageError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Site:
    """`public_url` is an origin; `allowed_hosts` are other values of `Host` under which pages are shown."""

    public_url: str
    allowed_hosts: frozenset[str] = frozenset()

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https:")

    def cookie(self, suffix: str = "") -> str:
        """The name of a cookie of ours.

        `__Host-` binds it to this host and to https (RFC 6265bis 4.1.3.2). Plain http is loopback, where
        cookies reach every port, so the name carries ours.
        """
        if self.secure:
            return f"__Host-vk{suffix}"
        parts = urlsplit(self.public_url)
        return f"vk-{parts.port or _PORTS[parts.scheme]}{suffix}"

    def refuse_other_hosts(self, request: Request) -> None:
        """Raises PageError 421 for a name that is not ours: DNS rebinding (RFC 9110 section 15.5.20)."""
        asked = [host.lower() for host in request.headers.getlist("host")]
        known = {urlsplit(self.public_url).netloc, *self.allowed_hosts}
        if len(asked) != 1 or asked[0] not in known:
            text = "The operator can allow it with `allowed_hosts` in valetkey.toml."
            raise PageError(421, "This server is not reached under that name", text)

    def refuse_other_origins(self, request: Request) -> None:
        """Raises PageError 403 for a script of another site; no program but a browser's sends an `Origin`."""
        if any(origin != self.public_url for origin in request.headers.getlist("origin")):
            text = "A page of another site sent it. Nothing was done."
            raise PageError(403, "This is not for other sites", text)

    def refuse_other_sites(self, request: Request) -> None:
        """Raises PageError 403 for a form that no page of ours sent."""
        sent_from = request.headers.get("sec-fetch-site")
        by_origin = sent_from is None and request.headers.getlist("origin") == [self.public_url]
        if sent_from != "same-origin" and not by_origin:
            text = "Another site sent it, or your browser hides where it comes from. Nothing was done."
            raise PageError(403, "This form did not come from this page", text)
