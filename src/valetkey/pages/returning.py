"""The way to the sign-in page, and where it may lead back to: a path of ours, and nothing that a browser
could read as another place.
"""

import re
from urllib.parse import urlencode

from starlette.responses import Response

from valetkey.pages.visit import Visit

HOME = "/"
_LONGEST = 2_000
_SEGMENT = r"(?!\.{1,2}(?:/|\?|$))[A-Za-z0-9_.~-]+"  # never `.` or `..`
_QUERY = r"(?:[A-Za-z0-9_.~=&+:-]|%[0-9A-Fa-f]{2})*"
_PATH = re.compile(rf"/(?:{_SEGMENT}(?:/{_SEGMENT})*)?(?:\?{_QUERY})?", re.ASCII)


def safe_return(wanted: str) -> str:
    """Return `wanted` if it is a plain path with a query of ours, else the home page.

    An allow-list: what browsers make of `//host`, a backslash, a tab, `https:host` or a look-alike slash
    never comes up.
    """
    return wanted if len(wanted) <= _LONGEST and _PATH.fullmatch(wanted) else HOME


def sign_in_first(visit: Visit, path: str) -> Response:
    """Send a browser to sign in, and then to a path of ours."""
    return visit.see(sign_in_url(path))


def sign_in_url(path: str) -> str:
    """Return the address of the sign-in page that leads on to a path of ours."""
    return "/signin" if path == HOME else f"/signin?{urlencode({'return_to': path})}"
