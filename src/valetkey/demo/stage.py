"""The demo's stage: the sandbox's providers, a Valetkey that serves in a home of its own, and its people."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from valetkey import sandbox
from valetkey.assemble import House, opened
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import Principal, Registration, Secret, SystemClock
from valetkey.people import Person
from valetkey.sandbox import Sandbox, hosts
from valetkey.serving import listen, public_url, running
from valetkey.settings import FILE, load

HOST = "127.0.0.1"
AGENT = "triage"
CLIENTS = {"google": sandbox.GOOGLE_CLIENT, "slack": sandbox.SLACK_CLIENT}


@dataclass(frozen=True, slots=True)
class Character:
    """Somebody of the story: how they sign in here, and their account at the providers."""

    name: str
    email: str
    password: str

    @property
    def title(self) -> str:
        return self.name.title()


# Their passwords are printed for whoever plays along: behind them is nothing but the sandbox.
ANA = Character("ana", sandbox.ANA.email, "noodles at noon")
BEN = Character("ben", sandbox.BEN.email, "up the blue wall")


@dataclass(frozen=True, slots=True)
class Stage:
    """What the scenes play on. `url` is where Valetkey is, `providers_url` where the sandbox is."""

    home: Path
    sandbox: Sandbox
    house: House
    url: str
    providers_url: str

    async def person(self, who: Character) -> Person:
        """Return a character who has joined."""
        return await self.house.accounts.named(self.house.ground.store, who.name)

    async def token(self, who: Character, agent: str, lasts: int) -> str:
        """Mint the token with which an agent acts for a character. `lasts` is in milliseconds."""
        principal = (await self.person(who)).principal
        async with self.house.ground.store.transaction() as tx:
            actor = await self.house.agents.named(tx, agent)
            session = await self.house.sessions.start_token(tx, principal, actor.id, lasts)
        return self.house.tokens.mint(session)

    async def join(self, who: Character) -> None:
        """Invite a character, who accepts on the page that an invitation leads to."""
        accounts, store = self.house.accounts, self.house.ground.store
        async with store.transaction() as tx:
            invitation = await accounts.invite(tx, await accounts.add(tx, who.name))
        async with PersonWithBrowser() as browser:
            await browser.open(f"{self.url}/join/{invitation}")
            await browser.submit(password=who.password)


@contextmanager
def home(*, keep: bool) -> Iterator[Path]:
    """Make a home for one demo; it is removed afterwards unless it is to be kept."""
    if keep:
        yield Path(tempfile.mkdtemp(prefix="valetkey-demo-"))
        return
    with tempfile.TemporaryDirectory(prefix="valetkey-demo-") as folder:
        yield Path(folder)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Start everything on free ports of this machine, with Ana and Ben as its people."""
    providers = Sandbox(SystemClock())
    async with sandbox.running(providers) as providers_url:
        _write_settings(folder / FILE, providers_url)
        settings, listener = load(folder), listen(HOST, 0)
        url = public_url(settings, HOST, listener.getsockname()[1])
        async with opened(settings, public_url=url) as house:
            await _register(house)
            async with running(house, listener):
                here = Stage(folder, providers, house, url, providers_url)
                for who in (ANA, BEN):
                    await here.join(who)
                yield here


def _write_settings(file: Path, providers_url: str) -> None:
    """Send what is meant for the providers to the sandbox, and change nothing else."""
    table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts(providers_url).items())
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
        new.write(f"# Everything that is meant for the providers goes to the sandbox.\n[hosts]\n{table}")


async def _register(house: House) -> None:
    operator = Principal("local-operator", "demo")
    async with house.ground.store.transaction() as tx:
        for provider, client in CLIENTS.items():
            new = Registration(f"my-{provider}", provider, client.id, Secret(client.secret))
            await house.connections.registrations.add(tx, new, operator)
