"""A person with a browser, for the demo: opens links, reads forms, fills them in, follows redirects.

The pages are the real ones. It keeps cookies as a browser does, and sends the headers one sends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from valetkey.errors import UsageError

_MOST_REDIRECTS = 10
_REFRESH = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]+)">')


@dataclass(slots=True)
class Form:
    """A form as it stands on a page: where it goes, and what it would send untouched.

    `elsewhere` are its buttons that send it to another place, each with what the button adds.
    """

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    elsewhere: list["Form"] = field(default_factory=list)

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the body with these values in place of what stood there."""
        kept = [(name, value) for name, value in self.fields if name not in values]
        return urlencode([*kept, *values.items()])


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser for every opening tag."""
        found = dict(attrs)
        if tag == "form":
            self.forms.append(Form(found.get("action") or ""))
        elif tag in {"input", "button"} and self.forms and found.get("name"):
            self._add(self.forms[-1], tag, found)

    def _add(self, form: Form, tag: str, found: Mapping[str, str | None]) -> None:
        name, kind = found["name"] or "", found.get("type") or "text"
        form.names.add(name)
        if to := found.get("formaction"):
            form.elsewhere.append(Form(to, [(name, found.get("value") or "")]))
        unchecked = kind in {"checkbox", "radio"} and "checked" not in found
        if tag == "input" and not unchecked:
            form.fields.append((name, found.get("value") or ""))


class PersonWithBrowser:
    """Somebody who reads what is on the page. Use as an async context manager."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(follow_redirects=False, timeout=20, trust_env=False)
        self.url, self.page = "", ""

    async def __aenter__(self) -> "PersonWithBrowser":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._http.aclose()

    async def open(self, url: str) -> str:
        """Open a page, through its redirects, and return its text."""
        for _ in range(_MOST_REDIRECTS):
            reply = await self._http.get(url)
            to = _onward(reply)
            if to is None:
                self.url, self.page = url, reply.text
                return reply.text
            url = urljoin(url, to)
        raise UsageError(f"{urlsplit(url).netloc} redirects without end")

    async def submit(self, **values: str) -> str:
        """Fill in and send the form on this page that has all these fields; return the next page.

        Raises UsageError when the page has no such form.
        """
        return await self._send(self._form(set(values), ""), values)

    async def press(self, action: str) -> str:
        """Send the form, or press the button, whose action ends like this; return the next page."""
        form = self._form(set(), action)
        button = next((one for one in form.elsewhere if one.action.endswith(action)), None)
        if button is None or form.action.endswith(action):
            return await self._send(form, {})
        return await self._send(Form(button.action, form.fields), dict(button.fields))

    async def _send(self, form: Form, values: Mapping[str, str]) -> str:
        target = urljoin(self.url, form.action or self.url)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
        if target.startswith(f"{origin}/"):
            headers["Referer"] = self.url
        reply = await self._http.post(target, content=form.filled(values), headers=headers)
        if (to := _onward(reply)) is not None:
            return await self.open(urljoin(target, to))
        self.url, self.page = target, reply.text
        return reply.text

    def _form(self, names: set[str], goes_to: str) -> Form:
        parser = _Forms()
        parser.feed(self.page)
        for form in parser.forms:
            actions = [form.action, *(button.action for button in form.elsewhere)]
            if names <= form.names and any(action.endswith(goes_to) for action in actions):
                return form
        what = ", ".join(sorted(names)) or goes_to
        raise UsageError(f"the page at {urlsplit(self.url).path} has no form with {what}")


def _onward(reply: httpx2.Response) -> str | None:
    """Where a browser goes on by itself: a redirect, or a page that says so."""
    if reply.is_redirect:
        return str(reply.headers["location"])
    found = _REFRESH.search(reply.text)
    return unescape(found[1]) if found else None
