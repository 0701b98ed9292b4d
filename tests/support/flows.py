"""What people and agents do that has a secret in it: the flows through which canaries are sent."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from tests.support.agents import Alone, alone
from tests.support.authenticator import Authenticator
from tests.support.browsing import options, sent
from tests.support.loud_house import Loud
from tests.support.wire import modern
from valetkey.authserver.id_jag import JWT_BEARER
from valetkey.authserver.rfc8693_asked import ACCESS_TOKEN
from valetkey.demo.person import PersonWithBrowser
from valetkey.people import Person
from valetkey.sandbox import ANA

ACCOUNT = ANA.email
LIST: tuple[str, dict[str, object]] = ("notes.list_notes", {})
FAULTS = ("garbage", "html", "truncated", "drop", "error_html", "redirect", "too_many", "server_error")
"""What a provider's endpoint may do when it is asked with a secret."""


@dataclass(slots=True)
class One:
    """One person, with a password that nobody else has, and what they do."""

    here: Loud
    person: Person
    password: str

    async def sign_in(self, browser: PersonWithBrowser, at: str = "/mine") -> None:
        await browser.open(at if at.startswith("http") else self.here.town.url + at)
        if "/signin" in browser.url:
            await browser.submit(name=self.person.name, password=self.password)

    async def approve(self, link: str, **fields: str) -> None:
        """Open a link and say yes to everything."""
        async with PersonWithBrowser() as browser:
            await self.sign_in(browser, link)
            await browser.submit(password=self.password, decision="allow", lasts="8 hours", **fields)
            if not browser.url.startswith(self.here.town.url):
                await browser.submit(account=ACCOUNT, decision="allow")
            if browser.url.endswith("/confirm"):
                await browser.submit(decision="yes")

    async def called(self, token: str, tool: str = LIST[0], **fields: str) -> dict[str, object]:
        """Call until it works or is refused, doing what is asked for on the way."""
        async with self.here.town.wire(token) as wire:
            for _ in range(2):
                answer = await wire.call(tool, {})
                if "inputRequests" not in answer:
                    break
                await self.approve(answer["inputRequests"]["valetkey"]["params"]["url"], **fields)
        return answer


async def moves_in(here: Loud, name: str) -> One:
    """Be invited by a command, and join with a password of one's own."""
    password = secrets.token_urlsafe(18)
    here.heard.never.add("a password", password)
    printed = await here.command("people", "add", name, shown=False)
    (link,) = re.findall(r"http://\S+/join/\S+", printed)
    here.heard.once.add("an invitation", link.rpartition("/")[2])
    async with PersonWithBrowser() as browser:
        await browser.open(link)
        await browser.submit(password=password)
    person = await here.town.house.accounts.named(here.town.house.ground.store, name)
    return One(here, person, password)


async def secures_themselves(one: One) -> None:
    """A passkey, with which one then signs in; a new password; an address, and the code that comes there."""
    device, new, heard = Authenticator(one.here.town.url), secrets.token_urlsafe(18), one.here.heard
    heard.never.add("a new password", new)
    async with PersonWithBrowser() as browser:
        await one.sign_in(browser, "/mine/passkeys/new")
        await browser.submit(password=one.password)
        await sent(browser, name="A key", passkey=device.make(options(browser, "create")))
        await browser.open(f"{one.here.town.url}/mine/sessions")
        await browser.submit(password=one.password, new=new)
        one.password = new
        await browser.open(f"{one.here.town.url}/mine/notices")
        await browser.submit(password=one.password, address=f"{one.person.name}@example.com")
        await browser.submit(code=one.here.receiver.code())
    async with PersonWithBrowser() as browser:
        await browser.open(f"{one.here.town.url}/signin?return_to=/mine/sessions")
        signed = device.sign(options(browser, "get"))
        heard.once.add("a passkey's signature", json.loads(signed)["response"]["signature"])
        assert "last used" in await sent(browser, name="", passkey=signed)


async def connects_and_calls(one: One, token: str) -> None:
    """Connect, call, be refreshed; lose an answer; get bad ones from the API and from the token endpoint."""
    strict = one.here.town.sandbox.strict
    assert "structuredContent" in await one.called(token)
    for fault in FAULTS:
        strict.faults.set("api", fault, 1)
        await one.called(token)
        strict.faults.clear()
    strict.ledger.expire()
    assert "structuredContent" in await one.called(token), "refreshed after a 401"
    for fault in FAULTS:
        strict.faults.set("token", fault, 1)
        strict.ledger.expire()
        await one.called(token)
        strict.faults.clear()


async def is_refused(one: One, token: str) -> None:
    """The provider ends the grant; the refresh is refused; the person comes once more."""
    assert "structuredContent" in await one.called(token, "gmail.list_unread")
    one.here.town.sandbox.google.ledger.revoke()
    await one.called(token, "gmail.list_unread")


async def meets_faults_while_connecting(one: One) -> None:
    """The provider answers the code badly, and the person comes back with a state that is not theirs."""
    town = one.here.town
    for fault in FAULTS:
        async with PersonWithBrowser() as browser:
            async with town.wire(await town.token(one.person, "another")) as wire:
                link = (await wire.call(*LIST))["inputRequests"]["valetkey"]["params"]["url"]
            await one.sign_in(browser, link)
            await browser.submit(password=one.password, decision="allow")
            town.sandbox.strict.faults.set("token", fault, 1)
            await browser.submit(account=ACCOUNT, decision="allow")
            town.sandbox.strict.faults.clear()
            await browser.open(re.sub(r"state=[^&]+", "state=wrong", browser.url))


async def pastes(one: One, token: str) -> None:
    """Type secrets into our page: two that are right, and one that is not."""
    providers = one.here.town.sandbox.providers
    key, word, wrong = (secrets.token_urlsafe(24) for _ in range(3))
    for what, secret in (("an API key", key), ("a pasted password", word), ("a wrong token", wrong)):
        one.here.heard.never.add(what, secret)
    providers["keyed"].ledger.hand_out(key, ACCOUNT)
    providers["basic"].ledger.hand_out(f"{ACCOUNT}:{word}", ACCOUNT)
    login = {"name-basic_auth": ACCOUNT, "secret-basic_auth": word}
    assert "structuredContent" in await one.called(token, "keyed.list_things", **{"secret-keyed": key})
    assert "structuredContent" in await one.called(token, "basic_auth.list_things", **login)
    await one.called(token, "beared.list_things", **{"secret-beared": wrong})


async def signs_a_client_in(one: One, http: httpx2.AsyncClient) -> None:
    """/register, /authorize, /token, a refresh, the old token again, /introspect, /revoke."""
    town = one.here.town
    back = f"{town.sandbox.base_url}/callback"
    registered = (await http.post(f"{town.url}/register", json={"redirect_uris": [back]})).json()
    verifier = secrets.token_urlsafe(40)
    one.here.heard.never.add("a client's PKCE verifier", verifier)
    digest = hashlib.sha256(verifier.encode()).digest()
    asking = {
        "response_type": "code",
        "client_id": registered["client_id"],
        "redirect_uri": back,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": f"{town.url}/mcp",
        "state": secrets.token_urlsafe(24),
    }
    async with PersonWithBrowser() as browser:
        await one.sign_in(browser, f"{town.url}/authorize?{urlencode(asking)}")
        await browser.submit(password=one.password, decision="allow")
    code = parse_qs(urlsplit(browser.url).query)["code"][0]
    client = {"client_id": registered["client_id"]}
    redeem = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, **client}
    await http.post(f"{town.url}/token", data={**redeem, "code_verifier": "w" * 43})
    tokens = await http.post(f"{town.url}/token", data={**redeem, "code_verifier": verifier})
    assert tokens.status_code in {200, 400}
    if tokens.status_code == 200:
        await uses_tokens(one, http, client, tokens.json())


async def uses_tokens(
    one: One, http: httpx2.AsyncClient, client: dict[str, str], pair: dict[str, str]
) -> None:
    town = one.here.town
    old = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"], **client}
    new = (await http.post(f"{town.url}/token", data=old)).json()
    await http.post(f"{town.url}/token?refresh_token={new['refresh_token']}", data=old)
    await http.get(f"{town.url}/mcp?access_token={new['access_token']}")
    await http.post(f"{town.url}/introspect", data={"token": new["access_token"], **client})
    one.here.fuse.touch()
    await http.post(f"{town.url}/token", data={**old, "refresh_token": new["refresh_token"]})
    one.here.fuse.unlink()
    await http.post(f"{town.url}/revoke", data={"token": new["refresh_token"], **client})


async def lets_an_agent_act(one: One, http: httpx2.AsyncClient, token: str) -> None:
    """An agent with a secret: exchange, client credentials, a wrong secret, an identity assertion."""
    town = one.here.town
    async with alone(town) as agent:
        secret = agent_secret(agent)
        one.here.heard.once.add("an agent's secret", secret)
        await agent.exchange(token, ACCESS_TOKEN)
        await agent.ask(one.person.name, LIST[0], offline=True)
        await agent.http.post(f"{town.url}/token", data={"grant_type": "client_credentials"})
        assertion = town.sandbox.corp.id_jag(
            ACCOUNT, client=agent.agent.id, audience=town.url, resource=f"{town.url}/mcp"
        )
        for _ in range(2):
            await agent.http.post(
                f"{town.url}/token", data={"grant_type": JWT_BEARER, "assertion": assertion}
            )
        bad = {"grant_type": "client_credentials", "client_id": agent.agent.id, "client_secret": secret[:-1]}
        await http.post(f"{town.url}/token", data=bad)
        await http.post(f"{town.url}/token", json={**bad, "client_secret": secret})


def agent_secret(agent: Alone) -> str:
    """The secret that an agent's HTTP client authenticates with."""
    assert agent.http.auth is not None
    header = next(agent.http.auth.auth_flow(httpx2.Request("GET", agent.url))).headers["Authorization"]
    return base64.b64decode(header.partition(" ")[2]).decode().partition(":")[2]


async def comes_from_corp(one: One) -> None:
    """Sign in at an issuer; call with its token, a broken one and one in the wrong place."""
    town = one.here.town
    access = town.sandbox.corp.access_token(ACCOUNT, f"{town.url}/mcp")
    async with PersonWithBrowser() as browser:
        await browser.open(f"{town.url}/signin")
        await browser.press("/signin/corp")
        await browser.submit(account=ACCOUNT, decision="allow")
        await browser.open(f"{town.url}/mine")
    for token in (access, access[:-3] + "xyz", town.sandbox.partner.access_token(ACCOUNT, f"{town.url}/mcp")):
        async with town.wire(token) as wire:
            await wire.call(*LIST)


async def sends_nonsense(one: One, http: httpx2.AsyncClient, token: str) -> None:
    """Secrets where no secret belongs: in bent requests, in arguments, in the wrong fields."""
    town, secret = one.here.town, one.password
    async with town.wire(token) as wire:
        await wire.call("notes.list_notes", {"nothing": {"deep": secret}})
    await http.post(f"{town.url}/register", json={"redirect_uris": secret, "client_secret": secret})
    await http.post(f"{town.url}/register", content=f'{{"client_secret": "{secret}"'.encode())
    await http.post(f"{town.url}/signin", data={"password": secret}, headers={"Cookie": f"vk={secret}"})
    await http.get(f"{town.url}/connect/nonsense", headers={"Authorization": f"Basic {secret}"})
    async with PersonWithBrowser() as browser:
        await browser.open(f"{town.url}/signin")
        await browser.submit(name=one.person.name, password=secret[::-1] + "!")


async def blows_up(one: One, token: str) -> None:
    """What nobody foresaw, while a token or a password is at hand."""
    one.here.fuse.touch()
    async with one.here.town.wire(token) as wire:
        assert "went wrong" in str(await wire.call(*LIST))
    async with PersonWithBrowser() as browser:
        await browser.open(f"{one.here.town.url}/signin")
        assert "went wrong" in await browser.submit(name=one.person.name, password=one.password)
    one.here.fuse.unlink()


async def over_stdio(one: One, token: str) -> None:
    """The same person's agent over stdio; its token is in its environment, where its client put it."""
    async with one.here.town.house.ground.store.transaction() as tx:  # nobody can turn the clock here
        await tx.run("UPDATE token_sets SET retry_at = NULL")
    async with one.here.started("stdio", VALETKEY_TOKEN=token) as server:
        await server.tell(modern("tools/call", {"name": LIST[0], "arguments": {}}))
        said = await server.heard()
    assert said is not None, one.here.log.read_text()[-2_000:]
    assert "structuredContent" in said, said
    one.here.heard.shown.append(said.encode())


async def disconnects(one: One) -> None:
    async with PersonWithBrowser() as browser:
        await one.sign_in(browser)
        for path in re.findall(r'action="(/mine/connections/[^"]+/revoke)"', browser.page):
            await browser.press(path)
            await browser.open(f"{one.here.town.url}/mine")


async def lives(here: Loud, name: str) -> One:
    """Everything that one person can do here, and every way in which a provider can fail them."""
    one = await moves_in(here, name)
    await secures_themselves(one)
    token = await here.town.token(one.person)
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
        await meets_faults_while_connecting(one)
        await connects_and_calls(one, token)
        await is_refused(one, token)
        await pastes(one, token)
        await signs_a_client_in(one, http)
        await lets_an_agent_act(one, http, token)
        await comes_from_corp(one)
        await sends_nonsense(one, http, token)
        await blows_up(one, await here.town.token(one.person))
    return one
