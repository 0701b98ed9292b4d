"""The headers of every page. Each was broken in a real browser before it stood here."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_POWERS = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")

_EVERYWHERE = {
    "Referrer-Policy": "same-origin",  # `no-referrer` makes our own forms carry `Origin: null`
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{power}=()" for power in _POWERS),
}


def page_headers(form_to: Iterable[str] = ()) -> Mapping[str, str]:
    """Return the headers of a page. `form_to`: URLs elsewhere that its form may redirect to."""
    return {**_EVERYWHERE, "Content-Security-Policy": _policy(form_to), "Cache-Control": "no-store"}


def static_headers(*, immutable: bool) -> Mapping[str, str]:
    """Return the headers of a stylesheet or an image."""
    caching = "public, max-age=31536000, immutable" if immutable else "no-cache"
    return {**_EVERYWHERE, "Content-Security-Policy": _policy(()), "Cache-Control": caching}


def _policy(form_to: Iterable[str]) -> str:
    # Chromium holds the whole chain of redirects after a form against form-action: 'self' alone blocks the
    # trip to a provider.
    forms = " ".join(["'self'", *sorted({_origin(url) for url in form_to})])
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
        f"base-uri 'none'; frame-ancestors 'none'; form-action {forms}"
    )


def _origin(url: str) -> str:
    """The origin as a policy writes it (CSP3 2.3.1): an application's scheme alone, and that of `[::1]`."""
    parts = urlsplit(url)
    named = parts.scheme in {"http", "https"} and not parts.netloc.startswith("[")
    return f"{parts.scheme}://{parts.netloc}" if named else f"{parts.scheme}:"
