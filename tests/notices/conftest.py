"""A house that is not served, with a mail server, a receiver of webhooks, and Ana and Ben."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.manifest.recorder import Answer, Received, Recorder
from tests.support.clock import FakeClock
from tests.support.mailbox import Mailbox, mailbox
from valetkey.assemble import House, opened
from valetkey.model import Connection, ConnectionState
from valetkey.people import Person
from valetkey.settings import FILE, Settings, parse

ANA, BEN, OPERATOR = "ana@example.com", "ben@example.com", "ops@example.com"
HOOKS = "https://hooks.example.com"
URL = "https://valetkey.example.com"


@dataclass
class Here:
    """A house, and what arrives outside. `answers` are the next statuses, for all but the operator's."""

    house: House
    clock: FakeClock
    box: Mailbox
    hook: Recorder
    answers: list[int] = field(default_factory=list)
    ana: Person = field(init=False)
    ben: Person = field(init=False)

    async def settle(self) -> None:
        """Bring Ana and Ben in, with their addresses."""
        self.ana, self.ben = await self.person("ana", ANA), await self.person("ben", BEN)

    async def person(self, name: str, address: str | None = None) -> Person:
        """Add somebody; with an address, proved by the code that came there."""
        async with self.house.ground.store.transaction() as tx:
            person = await self.house.accounts.add(tx, name)
        if address:
            code = await self.house.notices.addresses.give(person.principal, address)
            await self.house.notices.addresses.prove(person.principal, code)
        return person

    async def connection(self, person: Person, connector: str = "gmail") -> Connection:
        """A connection that works, without the trip."""
        self.clock.advance(1)
        new = Connection(
            id=self.house.ground.ids.new("con"),
            principal=person.principal,
            connector=connector,
            registration=f"my-{connector}",
            state=ConnectionState.CONNECTED,
            token_set=self.house.ground.ids.new("tok"),
            scopes=frozenset(),
        )
        async with self.house.ground.store.transaction() as tx:
            await tx.run("INSERT INTO token_sets (id) VALUES ($1)", new.token_set)
            await self.house.connections.rows.insert(tx, new)
        return new

    async def ends(self, connection: Connection, reason: str = "invalid_grant") -> None:
        """Its access ends at the other side."""
        await self.to(connection, ConnectionState.NEEDS_REAUTH, reason)

    async def to(self, connection: Connection, state: ConnectionState, reason: str | None = None) -> None:
        self.clock.advance(1)
        async with self.house.ground.store.transaction() as tx:
            await self.house.connections.rows.to(tx, connection, state, by="system", reason=reason)

    async def minute(self) -> None:
        """What happens by itself once a minute, of what this room does."""
        for job in self.house.notices.jobs:
            await job()

    async def rows(self) -> list[tuple[str, str]]:
        """Each notice and how it stands, oldest first."""
        found = await self.house.ground.store.all("SELECT kind, state FROM notices ORDER BY id")
        return [(row["kind"], row["state"]) for row in found]


def settings_of(home: Path, notify: str, box: Mailbox, port: int, store: str | None) -> Settings:
    text = f"""
{f'store = "{store}"' if store else ""}
public_url = "{URL}"
[hosts]
"{HOOKS}" = "http://127.0.0.1:{port}"
{notify.format(port=box.port)}
"""
    return parse(text, home / FILE)


SMTP = """
[notify.smtp]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "valetkey@example.com"
"""
WEBHOOK = f"""
[notify.webhook]
url = "{HOOKS}/valetkey?key=s3cret"
"""
MAIL = f'[notify]\noperator = "{OPERATOR}"\n{SMTP}'


@asynccontextmanager
async def settled(home: Path, notify: str, store: str | None = None) -> AsyncIterator[Here]:
    """Open such a house with these tables in its settings, and maybe a database."""
    clock, answers = FakeClock(), list[int]()

    def answer(posted: Received) -> Answer:
        to_operator = posted.json["type"] == "valetkey.operator.notice"
        return Answer(status=answers.pop(0) if answers and not to_operator else 200)

    hook = Recorder(answer)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
    async with server, mailbox() as box:
        settings = settings_of(home, notify, box, server.sockets[0].getsockname()[1], store)
        async with opened(settings, clock=clock) as house:
            here = Here(house, clock, box, hook, answers)
            await here.settle()
            yield here


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    """People and the operator are mailed, and nothing else."""
    async with settled(tmp_path, MAIL) as house:
        yield house


@pytest.fixture
async def hooked(tmp_path: Path) -> AsyncIterator[Here]:
    """Everything is posted to a webhook, people's letters too."""
    async with settled(tmp_path, f"{WEBHOOK}people = true\n") as house:
        yield house
