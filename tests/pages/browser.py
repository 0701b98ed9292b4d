"""A browser as the pages see one: it keeps cookies, and sends the forms it is shown as they stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

import httpx2
from starlette.types import ASGIApp

URL = "http://localhost:8917"
"""Where the pages of these tests are."""


@dataclass
class Sheet:
    """One form of a page: where it goes, and what it would send as it stands."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def filled(self, values: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
        """The fields with some of them filled in anew; a list ticks exactly those boxes."""
        kept = [(name, value) for name, value in self.fields if name not in values]
        for name, value in values.items():
            kept += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        return kept


class Seen(HTMLParser):
    """An answer: its response, its forms, and the text a person reads."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        self.response, self.sheets, self.text = response, list[Sheet](), ""
        self.feed(response.text)
        self.text = " ".join(self.text.split())

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def location(self) -> str:
        return str(self.response.headers["location"])

    def sheet(self, action: str | None = None) -> Sheet:
        """The page's own form, or the one that goes elsewhere."""
        own = self.response.request.url.path
        (found,) = [sheet for sheet in self.sheets if (sheet.action or own) == (action or own)]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.sheets.append(Sheet(given.get("action", "")))
        if tag == "input" and "name" in given and self.sheets:
            off = given.get("type") in {"checkbox", "radio"} and "checked" not in given
            if not off:
                self.sheets[-1].fields.append((given["name"], given.get("value", "")))

    def handle_data(self, data: str) -> None:
        self.text += data


class Browser:
    """Opens pages and sends forms, each with the headers a browser adds."""

    def __init__(self, app: ASGIApp | None = None, url: str = URL) -> None:
        """Of an application in this process, or of the server at `url`."""
        self.url = url
        transport = httpx2.ASGITransport(app) if app else None
        self.http = httpx2.AsyncClient(transport=transport, base_url=url, trust_env=False)

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, trace)

    async def open(self, path: str, **headers: str) -> Seen:
        return Seen(await self.http.get(path, headers=headers))

    async def follow(self, seen: Seen) -> Seen:
        """Go where a redirect leads, as long as it is one of ours."""
        while seen.status == 303 and not urlsplit(seen.location).netloc:
            seen = await self.open(seen.location)
        return seen

    async def send(
        self,
        seen: Seen,
        values: Mapping[str, str | list[str]] | None = None,
        *,
        to: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Seen:
        """Submit a page's form, or the one of it that goes elsewhere."""
        sheet = seen.sheet(to)
        path = sheet.action or seen.response.request.url.raw_path.decode()
        return await self.post(path, sheet.filled(values or {}), headers)

    async def post(
        self, path: str, fields: list[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> Seen:
        own = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"} if headers is None else dict(headers)
        own = {"Content-Type": "application/x-www-form-urlencoded"} | own
        return Seen(await self.http.post(path, content=urlencode(fields), headers=own))
