"""All built-in providers on one port: the object tests hold, and the ASGI app that serves it."""

import secrets
from collections.abc import Iterable, Iterator
from typing import Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.routing import Route

from valetkey.errors import UsageError
from valetkey.model import Clock, Randomness
from valetkey.sandbox.calendar_api import CalendarApi
from valetkey.sandbox.calendars import Calendars
from valetkey.sandbox.control import control_routes
from valetkey.sandbox.forge import Forge
from valetkey.sandbox.github import Github
from valetkey.sandbox.github_api import GithubApi
from valetkey.sandbox.gmail import Gmail
from valetkey.sandbox.google import Google
from valetkey.sandbox.issuer import Issuer
from valetkey.sandbox.issuer_api import IssuerApi
from valetkey.sandbox.mailbox import Mailboxes
from valetkey.sandbox.pasted import Pasted, basic, bearer, keyed
from valetkey.sandbox.pasted_api import PastedApi
from valetkey.sandbox.provider import Provider
from valetkey.sandbox.slack import Slack
from valetkey.sandbox.slack_api import SlackApi
from valetkey.sandbox.slack_messages import SlackMessages
from valetkey.sandbox.strict import Strict
from valetkey.sandbox.strict_api import StrictApi
from valetkey.sandbox.talk import Workspace

ORIGINS = (
    "https://accounts.google.com",
    "https://oauth2.googleapis.com",
    "https://gmail.googleapis.com",
    "https://www.googleapis.com",
    "https://github.com",
    "https://api.github.com",
    "https://slack.com",
    "https://strict.example",
    "https://keyed.example",
    "https://bearer.example",
    "https://basic.example",
    "https://corp.example",
    "https://partner.example",
)


def hosts(base_url: str) -> dict[str, str]:
    """The `[hosts]` table that sends the providers' origins to a sandbox at `base_url`."""
    return dict.fromkeys(ORIGINS, base_url)


class _Part(Protocol):
    def routes(self) -> list[Route]: ...


class _Data(Protocol):
    def reset(self) -> None: ...


class Sandbox:
    """Google with Gmail and Calendar, GitHub, Slack, `strict`, three that take pasted secrets, two issuers.

    `google`, `github`, `slack` and `strict` are the providers' books: rules, counters, faults, grants.
    `mailboxes`, `calendars`, `forge` and `workspace` are the people's data, `pasted` the three by name.
    `corp` and `partner` are issuers that vouch for people.
    `base_url` is where it is served; `running` sets it.
    """

    def __init__(
        self, clock: Clock, randomness: Randomness = secrets.token_bytes, *, base_url: str = ""
    ) -> None:
        self.base_url = base_url
        self.mailboxes, self.calendars = Mailboxes(clock), Calendars(clock)
        self.forge, self.workspace = Forge(clock), Workspace(clock)
        google, github = Google(clock, randomness), Github(clock, randomness)
        slack, strict = Slack(clock, randomness), Strict(clock, randomness)
        self.google, self.github = google.provider, github.provider
        self.slack, self.strict = slack.provider, strict.provider
        self.pasted: dict[str, Pasted] = {
            made.provider.kind.name: made
            for made in (make(clock, randomness) for make in (keyed, bearer, basic))
        }
        self.corp = Issuer("corp", "https://corp.example/acme", clock, randomness)
        self.partner = Issuer("partner", "https://partner.example/team", clock, randomness)
        self._consents = {
            "/o/oauth2/v2/auth": google.consent,
            "/login/oauth/authorize": github.consent,
            "/oauth/v2/authorize": slack.consent,
            "/strict/authorize": strict.consent,
        }
        self._notes = StrictApi(self.strict, lambda: self.base_url)
        self._things = [PastedApi(pasted) for pasted in self.pasted.values()]
        parts: tuple[_Part, ...] = (google, github, slack, strict, *self._apis())
        routes = [route for part in parts for route in part.routes()]
        self.app = Starlette(routes=[*routes, *control_routes(self)])

    def _apis(self) -> Iterator[_Part]:
        yield Gmail(self.google, self.mailboxes)
        yield CalendarApi(self.google, self.calendars)
        yield GithubApi(self.github, self.forge)
        yield SlackApi(self.slack, self.workspace)
        yield SlackMessages(self.slack, self.workspace)
        yield self._notes
        yield from self._things
        yield IssuerApi(self.corp, "/acme")
        yield IssuerApi(self.partner, "/team")

    @property
    def issuers(self) -> dict[str, Issuer]:
        return {issuer.name: issuer for issuer in (self.corp, self.partner)}

    @property
    def providers(self) -> dict[str, Provider]:
        oauth = {"google": self.google, "github": self.github, "slack": self.slack, "strict": self.strict}
        issuers = {name: issuer.provider for name, issuer in self.issuers.items()}
        return oauth | issuers | {name: pasted.provider for name, pasted in self.pasted.items()}

    def approve(
        self, authorize_url: str, account: str, scopes: Iterable[str] | None = None, decision: str = "allow"
    ) -> str:
        """Be the person at the consent page: return the URL their browser is sent back to.

        `scopes` are the boxes left ticked, all when None. Raises Refused, or UsageError for another page.
        """
        url = urlsplit(authorize_url)
        if url.path not in self._consents:
            raise UsageError(f"{url.path} is not a consent page of the sandbox")
        return self._consents[url.path].approve(url.query, account, scopes, decision)

    def reset(self) -> None:
        """Back to the start: data, grants, counters, faults and rules."""
        for provider in self.providers.values():
            provider.reset()
        for pasted in self.pasted.values():
            pasted.hand_out()
        data: tuple[_Data, ...] = (self.mailboxes, self.calendars, self.forge, self.workspace, self._notes)
        for part in (*data, *self._things, self.corp, self.partner):
            part.reset()
