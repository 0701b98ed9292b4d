"""Makes the fixture of a release: a store with a history in it, as that release writes it.

Run once, from the release's own tree, and keep what it writes: `python -m tests.store.releases.make 0.1.0`.
The key in it is a test's, and every secret is the sandbox's.
"""

import base64
import json
import shutil
import sqlite3
import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio

from tests.support.town import NOTES, PASSWORD, PASTED, Town, town
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import HOUR
from valetkey.people import Person
from valetkey.sandbox import KEYS

FOLDER = Path(__file__).parent
BESIDE = ("key", "audit-head.json")
MORE = f"manifests = [{NOTES.split('[')[1][:-1]}, {PASTED.split('[')[1][:-1]}]"


async def lived(home: Path) -> None:
    """Let two people connect, allow, revoke and be acted for."""
    async with town(home, more=MORE, clients=("google", "strict", "notes")) as here:
        ana, ben = await here.person("ana"), await here.person("ben")
        await here.connected(ana, account="ana@example.com", lasts="until I revoke")
        await here.connected(ana, "notes.list_notes", account="ana@example.com")
        await here.connected(ben, agent="digest", account="ben@example.com", lasts="1 hour")
        await pasted(here, ana)
        await ended(here, ben)
        await here.records(ana)  # waits until everything is written


async def pasted(here: Town, ana: Person) -> None:
    """Ana pastes a key that the sandbox knows always: a call with it works for ever."""
    async with here.wire(await here.token(ana)) as wire, PersonWithBrowser() as browser:
        link = (await wire.call("keyed.list_things", {}))["inputRequests"]["valetkey"]["params"]["url"]
        await here.sign_in(browser, link, ana.name)
        secret = {"secret-keyed": KEYS["ana@example.com"][0]}
        await browser.submit(password=PASSWORD, decision="allow", lasts="until I revoke", **secret)
        await browser.submit(decision="yes")
        assert "result" in await wire.call("keyed.list_things", {}) or True


async def ended(here: Town, ben: Person) -> None:
    """Ben ends a connection; a session ends; an agent with a secret is there, and a request stays open."""
    house = here.house
    (connection,) = await house.connections.rows.live(house.ground.store, ben.principal, "gmail")
    await house.connections.revocation.revoke(connection, "person")
    async with house.ground.store.transaction() as tx:
        actor = await house.agents.named(tx, "digest")
        session = await house.sessions.start_token(tx, ben.principal, actor.id, HOUR)
        await house.sessions.end(tx, session.id)
    async with here.wire(await here.token(ben, "digest")) as wire:
        await wire.call("gmail.list_unread", {})


def dumped(store: Path) -> str:
    """Every row of every table, a JSON object a line; bytes are base64."""
    with sqlite3.connect(store) as db:
        db.row_factory = sqlite3.Row
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        lines = [
            {"table": name, "row": {key: _plain(row[key]) for key in row.keys()}}  # noqa: SIM118 - of sqlite3.Row
            for name in sorted(names)
            for row in db.execute(f"SELECT * FROM {name} ORDER BY rowid")
        ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def _plain(value: object) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def main(version: str) -> None:
    target = FOLDER / version
    target.mkdir()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        anyio.run(partial(lived, home))
        (target / "store.jsonl").write_text(dumped(home / "store.db"))
        for name in BESIDE:
            shutil.copy(home / name, target / name)


if __name__ == "__main__":
    main(sys.argv[1])
