"""The real SDK's client finds our authorization server, makes itself known, and signs its person in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.authserver.front import BACK, told
from tests.authserver.test_cimd import DOCUMENT, ORIGIN, URL, publishing
from tests.pages.browser import Browser
from tests.support.town import PASSWORD, Town, town
from valetkey.model import MINUTE, Json


@dataclass
class Notebook:
    """What a client remembers from one start to the next."""

    tokens: OAuthToken | None = None
    known_as: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.known_as

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.known_as = client_info


@dataclass
class Installation:
    """A client on Ana's machine. `opened` are the addresses that it opened in her browser."""

    town: Town
    document: str | None = None
    at: str = "/mcp"
    notebook: Notebook = field(default_factory=Notebook)
    opened: list[str] = field(default_factory=list)
    answer: dict[str, str] = field(default_factory=dict)

    async def opens(self, url: str) -> None:
        """Open an address in Ana's browser, where she signs in and says yes."""
        self.opened.append(url)
        async with Browser(url=self.town.url) as browser:
            page = await browser.follow(await browser.open(url.removeprefix(self.town.url)))
            signed_in = await browser.send(page, {"name": "ana", "password": PASSWORD})
            consent = await browser.follow(signed_in)
            self.answer = told(await browser.send(consent, {"password": PASSWORD, "decision": "allow"}))

    async def called_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=self.answer["code"], state=self.answer["state"], iss=self.answer["iss"]
        )

    def provider(self) -> OAuthClientProvider:
        about = OAuthClientMetadata(
            client_name="Reader", redirect_uris=[AnyUrl(BACK)], token_endpoint_auth_method="none"
        )
        url = self.town.url + self.at
        return OAuthClientProvider(url, about, self.notebook, self.opens, self.called_back, self.document)

    @asynccontextmanager
    async def running(self, provider: OAuthClientProvider) -> AsyncIterator[Client]:
        with anyio.fail_after(30):
            async with httpx2.AsyncClient(auth=provider, timeout=30, trust_env=False) as http:
                agent = Client(streamable_http_client(self.town.url + self.at, http_client=http))
                async with agent as client:
                    yield client


async def whoami(client: Client) -> Json:
    return (await client.call_tool("valetkey.whoami", {})).structured_content


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    """A town with Ana, where the document of one client can be fetched."""
    async with publishing() as (publisher, at):
        publisher.publishes({**DOCUMENT, "redirect_uris": [BACK]})
        async with town(tmp_path, rerouted={ORIGIN: at}) as opened:
            await opened.person("ana")
            yield opened


@pytest.mark.parametrize("document", [None, URL], ids=["registering", "by its document"])
async def test_it_signs_ana_in_and_calls_tools_for_her(here: Town, document: str | None) -> None:
    installed = Installation(here, document)
    async with installed.running(installed.provider()) as client:
        assert "valetkey.whoami" in {tool.name for tool in (await client.list_tools()).tools}
        told_of = await whoami(client)
    assert (told_of["person"], told_of["agent"]) == ("ana", "Reader")
    assert len(installed.opened) == 1
    assert installed.notebook.known_as
    if document:
        assert installed.notebook.known_as.client_id == URL


async def test_it_is_not_asked_again_while_it_can_renew_its_tokens(here: Town) -> None:
    installed = Installation(here)
    provider = installed.provider()
    async with installed.running(provider) as client:
        first = installed.notebook.tokens
        here.clock.advance(11 * MINUTE)
        provider.context.token_expiry_time = 1  # its own clock is the machine's
        assert (await whoami(client))["person"] == "ana"
        second = installed.notebook.tokens
    assert first
    assert second
    assert first.refresh_token != second.refresh_token
    assert len(installed.opened) == 1


async def test_it_comes_back_after_a_restart_without_being_asked(here: Town) -> None:
    installed = Installation(here, URL)
    for _ in range(2):
        async with installed.running(installed.provider()) as client:
            assert (await whoami(client))["person"] == "ana"
    assert len(installed.opened) == 1


async def test_two_installations_of_one_client_do_not_sign_each_other_out(here: Town) -> None:
    one, other = Installation(here, URL), Installation(here, URL)
    async with one.running(one.provider()) as first:
        assert (await whoami(first))["person"] == "ana"
        here.clock.advance(1)
        async with other.running(other.provider()) as second:
            assert (await whoami(second))["person"] == "ana"
        async with here.house.ground.store.transaction() as tx:
            newest, older = await here.house.sessions.of_actor(tx, URL)
            await here.house.sessions.end(tx, newest.id)
        assert older.created < newest.created
        assert (await whoami(first))["agent"] == "Reader"


async def test_it_signs_in_at_an_endpoint_of_its_own(here: Town) -> None:
    installed = Installation(here, at="/mcp/flat")
    async with installed.running(installed.provider()) as client:
        assert "gmail_list_unread" in {tool.name for tool in (await client.list_tools()).tools}
