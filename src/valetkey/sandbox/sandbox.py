"""All built-in providers on one port: the object tests hold, and the ASGI app that serves it."""

import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.applications import Starlette

from valetkey.errors import UsageError
from valetkey.model import Clock, Randomness
from valetkey.sandbox.control import control_routes
from valetkey.sandbox.gmail import Gmail
from valetkey.sandbox.google import Google
from valetkey.sandbox.mailbox import Mailboxes
from valetkey.sandbox.provider import Provider
from valetkey.sandbox.slack import Slack
from valetkey.sandbox.slack_api import SlackApi
from valetkey.sandbox.strict import Strict
from valetkey.sandbox.strict_api import StrictApi
from valetkey.sandbox.talk import Workspace

ORIGINS = (
    "https://accounts.google.com",
    "https://oauth2.googleapis.com",
    "https://gmail.googleapis.com",
    "https://slack.com",
    "https://strict.example",
)


def hosts(base_url: str) -> dict[str, str]:
    """The `[hosts]` table that sends the providers' origins to a sandbox at `base_url`."""
    return dict.fromkeys(ORIGINS, base_url)


class Sandbox:
    """Google with Gmail, Slack, and `strict`, with their people and data.

    `google`, `slack` and `strict` are the providers' books: rules, counters, faults, grants.
    `mailboxes` and `workspace` are the people's data. `base_url` is where it is served; `running` sets it.
    """

    def __init__(
        self, clock: Clock, randomness: Randomness = secrets.token_bytes, *, base_url: str = ""
    ) -> None:
        self.base_url = base_url
        self.mailboxes, self.workspace = Mailboxes(clock), Workspace(clock)
        google, slack, strict = Google(clock, randomness), Slack(clock, randomness), Strict(clock, randomness)
        self.google, self.slack, self.strict = google.provider, slack.provider, strict.provider
        self._consents = {
            "/o/oauth2/v2/auth": google.consent,
            "/oauth/v2/authorize": slack.consent,
            "/strict/authorize": strict.consent,
        }
        self._notes = StrictApi(self.strict, lambda: self.base_url)
        apis = (Gmail(self.google, self.mailboxes), SlackApi(self.slack, self.workspace), self._notes)
        routes = [route for part in (google, slack, strict, *apis) for route in part.routes()]
        self.app = Starlette(routes=[*routes, *control_routes(self)])

    @property
    def providers(self) -> dict[str, Provider]:
        return {"google": self.google, "slack": self.slack, "strict": self.strict}

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
        self.mailboxes.reset()
        self.workspace.reset()
        self._notes.reset()
