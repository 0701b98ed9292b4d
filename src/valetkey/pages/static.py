"""The stylesheet, the script, the images: read once, each under an address that changes with its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from starlette.responses import Response

from valetkey.errors import PageError
from valetkey.pages.headers import static_headers

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file: its bytes, and the digest that stands in its address."""

    name: str
    content: bytes
    version: str

    @property
    def link(self) -> str:
        return f"/static/{self.name}?v={self.version}"


def static_files() -> Mapping[str, StaticFile]:
    """Read every static file, by name."""
    folder = files("valetkey.pages") / "static"
    return {one.name: _static_file(one.name, one.read_bytes()) for one in folder.iterdir()}


def _static_file(name: str, content: bytes) -> StaticFile:
    return StaticFile(name, content, hashlib.sha256(content).hexdigest()[:16])


def answer(known: Mapping[str, StaticFile], name: str, version: str | None) -> Response:
    """Only the address with the digest is kept by browsers. Raises PageError 404."""
    found = known.get(name)
    if found is None:
        raise nothing()
    headers = static_headers(immutable=version == found.version)
    return Response(found.content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


def nothing() -> PageError:
    """What is raised at an address where nothing is."""
    return PageError(404, "There is nothing here", "The address may be mistyped.")
