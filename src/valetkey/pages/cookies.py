"""Reading and setting cookies: exact names, one value each, always HttpOnly and SameSite=Lax."""

from starlette.requests import Request
from starlette.responses import Response

from valetkey.pages.site import Site


def read(request: Request, name: str) -> str | None:
    """Return the one cookie of that very name; None where there is none, or more than one.

    Starlette's own parser strips exotic white space from names, and so lets another host of the domain plant
    a `__Host-` cookie, which browsers keep from it only as long as the name is spelled right.
    """
    pairs = (pair.strip(" \t").partition("=") for pair in ";".join(_headers(request)).split(";"))
    values = [value for found, _, value in pairs if found == name]
    return (values[0] or None) if len(values) == 1 else None


def _headers(request: Request) -> list[str]:
    return request.headers.getlist("cookie")


def put(response: Response, site: Site, name: str, value: str, lasts: int | None = None) -> None:
    """Set a cookie. `lasts` is in milliseconds; None for as long as the browser runs, 0 to remove it."""
    age = None if lasts is None else lasts // 1000
    response.set_cookie(name, value, max_age=age, path="/", secure=site.secure, httponly=True, samesite="lax")
