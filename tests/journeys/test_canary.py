"""Secrets stay secret: through every flow, at every log level, in every spelling, on disk and in errors."""

import base64
import secrets
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.support.canary import Hit, Needles, spellings
from tests.support.clock import FakeClock
from tests.support.flows import One, disconnects, lives, over_stdio
from tests.support.linked import Linked, linked
from tests.support.loud_house import Loud, loud
from tests.support.overheard import Overheard, overhearing
from tests.support.scale import scaled
from tests.support.town import OPERATOR
from valetkey import sandbox
from valetkey.connections.endpoint import TokenEndpoint
from valetkey.connections.tokensets import Held
from valetkey.errors import ValetkeyError
from valetkey.model import Connection, Secret
from valetkey.sandbox import CORP_CLIENT, Sandbox
from valetkey.sandbox.hostile import HOSTILE

PEOPLE = scaled(1, 50)

SUPPORT = Path(__file__).parent.parent / "support"
SETTINGS = f"""
manifests = ["{SUPPORT / "connectors"}", "{SUPPORT / "manifests"}"]
[issuers.corp]
url = "https://corp.example/acme"
id_jag = true
[issuers.corp.sign_in]
client_id = "valetkey-pages"
"""
LETTERS = {"valetkey.code", "valetkey.test", "valetkey.person.notice"}
CODE = "code-of-a-canary-0123456789"
SECRET, KEY = "Zq+7/pX&k 9~ü_-0aB", bytes(range(240, 256)) + bytes(range(16))

pytestmark = pytest.mark.reliability


def test_a_secret_is_found_in_every_spelling_wherever_it_stands() -> None:
    needles = Needles()
    for secret in (SECRET, KEY):
        needles.add("a secret", secret)
        for spelling, written in spellings(secret).items():
            missed = [at for at in range(9) if not needles.found(b"x" * at + written + b"y" * at, "here")]
            assert missed == [], spelling


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_is_found_in_the_middle_of_what_was_encoded(encode: Callable[[bytes], bytes]) -> None:
    needles = Needles()
    needles.add("a secret", SECRET)
    for data in (SECRET.encode(), SECRET.encode("utf-16-le")):
        for before in range(4):
            assert needles.found(encode(b"x" * before + data + b"and more"), "here")


def test_a_piece_of_a_secret_is_found_and_half_a_piece_is_not() -> None:
    needles = Needles()
    needles.add("a secret", "0123456789abcdefghij")
    assert all(needles.found(b"." * at + b"456789abcdef" + b"." * at, "here") for at in range(9))
    assert not needles.found(b"...456789abcde...", "here")
    assert not needles.found(b"", "here")


async def test_no_secret_is_where_none_may_be(tmp_path: Path) -> None:
    with overhearing() as heard:
        for client in (sandbox.GOOGLE_CLIENT, sandbox.STRICT_CLIENT, CORP_CLIENT):
            heard.never.add("a client's secret", client.secret, random=False)
        async with loud(tmp_path, heard, SETTINGS) as here:
            issuer, secret = here.town.house.trust.issuers.named("corp"), Secret(CORP_CLIENT.secret)
            await here.town.house.trust.secrets.put(issuer, CORP_CLIENT.id, secret, OPERATOR)
            keys(here)
            for number in range(PEOPLE):
                one = await lives(here, f"ana{number}")
            await over_stdio(one, await here.town.token(one.person))
            sealed_then = sealed(here)
            await disconnects(one)
            deleted = sealed_then - sealed(here)
            told = await operates(here)
            keys(here)
            assert_it_was_loud(here, heard)
            assert not (found := hits(here, told)), "\n".join(map(str, found))
            assert deleted
            assert not [file for file in here.left() if any(text in file.read_bytes() for text in deleted)]
            await assert_a_leak_is_found(here, one)
            await here.fall()
        assert not list(here.cores.iterdir())


async def operates(here: Loud) -> bytes:
    """What an operator runs beside a server, and all that they and their receivers are given."""
    for command in (
        "audit list --json",
        "audit export",
        "connections list",
        "doctor --json",
        "status --json",
    ):
        await here.command(*command.split(), ends=None)
    word = secrets.token_urlsafe(24)
    here.heard.never.add("the mail server's password", word)
    await here.command("notify", "password", "--stdin", line=word)
    signing = await here.command("notify", "secret", "--rotate", shown=False)
    here.heard.never.add("the webhook's secret", signing.strip().removeprefix("whsec_"))
    await here.command("notify", "test")
    await here.command("keys", "rotate")
    await here.command("backup", str(here.folder / "backup.db"))
    for job in here.town.house.notices.jobs:
        await job()
    async with httpx2.AsyncClient(trust_env=False) as http:
        watched = [
            (await http.get(f"{here.operators}/{at}")).content for at in ("metrics", "readyz", "healthz")
        ]
    assert b"valetkey_" in watched[0]
    return b"\n".join([here.receiver.everything(), *watched])


def keys(here: Loud) -> None:
    """Nobody may ever see a key of the house."""
    ring = here.town.house.ground.keys
    root = base64.b64decode((here.home / "key").read_bytes())
    for key in (root, *ring.keks._known.values(), *(one.secret for one in ring._server)):
        here.heard.never.add("a key", key)


def sealed(here: Loud) -> set[bytes]:
    """The ciphertexts of every token there is."""
    with closing(sqlite3.connect(here.home / "store.db")) as store:
        return {row[0] for row in store.execute("SELECT content FROM sealed WHERE purpose = 'token'")}


def assert_it_was_loud(here: Loud, heard: Overheard) -> None:
    """Or else nothing that was not found says anything."""
    raw, log = here.raw.read_text(errors="replace"), here.log.read_text(errors="replace")
    assert "aiosqlite DEBUG" in raw
    assert log.count("RuntimeError at") >= 3, "rooms blew up, and the log says where"
    assert len(heard.never) > 30 * PEOPLE
    assert len(heard.once) > 20 * PEOPLE
    assert len(heard.shown) > 50 * PEOPLE
    assert {one.json["type"] for one in here.receiver.recorder.received} >= LETTERS
    assert {file.name for file in here.left()} >= {"store.db", "store.db-wal", "store.db-shm", "backup.db"}


def hits(here: Loud, told: bytes) -> list[Hit]:
    """Every secret that is somewhere. What people are shown may have in it what is delivered to them once."""
    heard, files = here.heard, here.left()
    shown = heard.never.found(b"\n".join([*heard.shown, told]), "shown") | heard.once.found(told, "told")
    return sorted(heard.never.found_in(files) | heard.once.found_in(files) | shown, key=str)


async def assert_a_leak_is_found(here: Loud, one: One) -> None:
    """Let a room log what it holds, and store it: it is found, in each of its spellings."""
    before = here.raw.stat().st_size
    here.leak.touch()
    await one.called(await here.town.token(one.person))
    here.leak.unlink()
    said = here.raw.read_bytes()[before:]
    assert {hit.spelling for hit in here.heard.never.found(said, "raw.log")} >= set(spellings("a token"))
    async with here.town.house.ground.store.transaction() as tx:
        await tx.run("INSERT INTO meta VALUES ('leak', $1)", one.password)
    log = here.home / "store.db-wal"
    assert Hit("a new password", "raw", log.name) in here.heard.never.found_in([log])


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that led to it."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        if (one := waiting.pop()) is not None and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
    return iter(seen)


def told(error: BaseException) -> bytes:
    """All that an error says to whoever prints it, in any way."""
    whole = "".join(traceback.format_exception(error))
    each = [f"{one} {one!r} {one.args} {vars(one)}" for one in chain(error)]
    return "\n".join([whole, *each]).encode()


async def test_no_error_of_a_provider_s_answer_holds_what_was_sent_or_answered(tmp_path: Path) -> None:
    providers, clock = Sandbox(FakeClock()), FakeClock()
    errors: list[bytes] = []
    with overhearing() as heard:
        heard.never.add("a client's secret", sandbox.STRICT_CLIENT.secret, random=False)
        heard.never.add("a code", CODE)
        async with sandbox.running(providers), linked(tmp_path, providers, clock) as here:
            made = await here.connect()
            held = await here.held(made)
            for fault in sorted(set(HOSTILE) - {"hold", "slow", "drip"}):
                for kind in ("token", "api", "revoke"):
                    providers.strict.faults.set(
                        kind, fault, 1, **({"status": 500} if fault == "status" else {})
                    )
                    errors += [told(error) for error in await asked(here, made, held)]
                    providers.strict.faults.clear()
    assert len(errors) > len(HOSTILE)
    assert heard.never.found(b"\n".join(errors), "errors") == set()


async def asked(here: Linked, made: Connection, held: Held) -> list[BaseException]:
    """Ask the provider with each kind of secret; return what was raised."""
    endpoint, connector = (
        TokenEndpoint(here.house.ground.egress, here.house.ground.gate.refuse_now),
        here.connector("notes"),
    )
    client = await here.house.connections.registrations.of(here.house.ground.store, "my-notes", connector)
    assert held.tokens.refresh
    errors: list[BaseException] = []
    for asking in (
        endpoint.refresh(connector, client, held.tokens.refresh),
        endpoint.redeem(connector, client, code=CODE, verifier=CODE * 2, redirect_uri="http://localhost/x"),
        endpoint.revoke(connector, client, held.tokens),
        here.call(),
    ):
        try:
            await asking
        except ValetkeyError as error:
            errors.append(error)
    return errors
