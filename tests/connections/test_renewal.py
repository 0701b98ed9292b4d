"""Leases that changed hands, connections that ended meanwhile, and token sets that do not open."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.support.linked import ANA, Linked, neighbour
from tests.support.town import NOTES, settings_for
from valetkey.assemble import opened
from valetkey.audit.verify import verify
from valetkey.connections.lease import Lease
from valetkey.connections.tokensets import NotTheirs
from valetkey.errors import CallError
from valetkey.model import SECOND, Connection, Principal
from valetkey.settings import FILE, parse

WITHIN = 30
TO_OTHER = "UPDATE token_sets SET lease_owner = 'another', lease_until = $1 WHERE id = $2"
SWAPPED = """
UPDATE sealed SET dek = o.dek, content = o.content
FROM (SELECT dek, content FROM sealed WHERE purpose = 'token' AND id = $2) o
WHERE purpose = 'token' AND id = $1"""
STUCK = """
CREATE TRIGGER stuck BEFORE INSERT ON sealed WHEN NEW.purpose = 'token'
BEGIN SELECT RAISE(ABORT, 'stuck'); END"""
CHANGES = {
    "swapped": SWAPPED,
    "another version": "UPDATE sealed SET version = 7 WHERE id = $1 AND $2 = $2",
    "bound elsewhere": "UPDATE sealed SET bound = 'x' WHERE id = $1 AND $2 = $2",
    "removed": "DELETE FROM sealed WHERE id = $1 AND $2 = $2",
}


async def change(here: Linked, sql: str, *values: str | int) -> None:
    async with here.house.ground.store.transaction() as tx:
        assert await tx.run(sql, *values) == 1


async def outcome(here: Linked) -> str:
    with pytest.raises(CallError) as caught:
        await here.call()
    return caught.value.outcome


async def test_a_holder_that_was_held_up_does_not_ask_and_leaves_the_lease_to_its_next_holder(
    here: Linked,
) -> None:
    connection = await here.connect()
    until = here.clock.now() + 30 * SECOND
    await change(here, TO_OTHER, until, connection.token_set)
    held, now = await here.held(connection), here.clock.now()
    late = Lease("slow", now + 19 * SECOND, begin_until=now - 1 * SECOND, lost=False)
    spent = await here.refresher._renewal.spend(held, here.connector("notes"), late, useless=True)
    row = (await here.held(connection)).row
    assert spent is None
    assert here.refreshes("notes") == {}
    assert (row["lease_owner"], row["lease_until"], row["failures"]) == ("another", until, 0)


async def test_a_refusal_that_comes_after_the_lease_ends_nothing(here: Linked) -> None:
    connection = await here.connect()
    await change(here, TO_OTHER, here.clock.now() + 30 * SECOND, connection.token_set)
    until = here.clock.now() + 30 * SECOND
    late = Lease("slow", until, begin_until=until, lost=False)
    here.sandbox.strict.faults.set("token", "error_html", 1)
    held = await here.held(connection)
    assert await here.refresher._renewal.spend(held, here.connector("notes"), late, useless=True) is None
    assert await here.state(connection) == ("connected", None)


async def test_a_late_answer_is_kept_though_another_holder_gave_up(here: Linked) -> None:
    here.sandbox.strict.change(reuse_kills=False)
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    held = here.sandbox.strict.faults.set("token", "hold", 1, after=True)
    with anyio.fail_after(WITHIN):
        async with neighbour(here) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(here.call)
            await held.arrived.wait()
            here.clock.advance(31 * SECOND)  # past the lease
            assert await outcome(other) == "reconnect"
            assert await here.state(connection) == ("needs_reauth", "refresh_answer_lost")
            here.sandbox.strict.faults.release()
    assert await here.state(connection) == ("connected", "late_answer")
    assert await here.call()


async def test_whatever_keeps_them_from_being_stored_the_new_tokens_are_not_lost(
    here: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors that nobody foresaw, of which it cannot be known what to do, are no reason to drop them."""
    monkeypatch.setattr("valetkey.connections.insisting._UNFORESEEN_SECONDS", 0.05)
    await here.connect()
    here.clock.advance(300 * SECOND)
    await runs(here, STUCK)
    assert await outcome(here) == "unavailable"
    await runs(here, "DROP TRIGGER stuck")
    with anyio.fail_after(WITHIN):
        assert await here.call()
    assert here.refreshes("notes") == {"ok": 1}


async def runs(here: Linked, sql: str) -> None:
    async with here.house.ground.store.transaction() as tx:
        await tx.run(sql)


async def test_tokens_that_come_for_a_revoked_connection_are_given_back(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    held = here.sandbox.strict.faults.set("token", "hold", 1, after=True)
    here.sandbox.strict.faults.set("revoke", "server_error", 1)  # so that the grant outlives the first try
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ends, here)
            await held.arrived.wait()
            await here.house.connections.revocation.revoke(connection, "person")
            assert [grant.revoked for grant in here.sandbox.strict.grants()] == [False]
            here.sandbox.strict.faults.release()
    assert [grant.revoked for grant in here.sandbox.strict.grants()] == [True]
    given = await here.happened("connection.given_back")
    assert [event["at_provider"] for event in given] == ["pending", "revoked"]
    assert await sealed(here, connection) == []
    ground = here.house.ground
    assert (await verify(ground.store, ground.keys)).ok


async def ends(here: Linked) -> None:
    assert await outcome(here) == "reconnect"


async def sealed(here: Linked, connection: Connection) -> list[object]:
    sql = "SELECT id FROM sealed WHERE purpose = 'token' AND id = $1"
    return list(await here.house.ground.store.all(sql, connection.token_set))


@pytest.mark.parametrize("how", CHANGES)
async def test_a_damaged_token_set_is_not_used_and_the_audit_says_so(here: Linked, how: str) -> None:
    ben = replace(here, caller=replace(here.caller, principal=Principal("local", "ben")))
    bens = await ben.connect(account="ben@example.com")
    anas = await here.connect()
    seen = here.sandbox.strict.counters.requests["api"]
    await change(here, CHANGES[how], anas.token_set, bens.token_set)
    assert await outcome(here) == "reconnect"
    assert here.sandbox.strict.counters.requests["api"] == seen
    facts = {"connection": anas.id, "purpose": "token", "record": anas.token_set}
    assert await here.happened("integrity") == [facts]
    assert (await here.held(bens)).version == 1


async def test_tokens_know_whose_they_are_though_the_row_says_otherwise(here: Linked) -> None:
    anas = await here.connect(account="ana@example.com")
    as_ben = replace(anas, principal=Principal("local", "ben"))
    seen = here.sandbox.strict.counters.requests.total()
    credentials = here.house.connections.tokens(as_ben, here.connector("notes"))
    with pytest.raises(CallError) as refused:
        await credentials.current()
    assert refused.value.outcome == "failed"
    assert here.sandbox.strict.counters.requests.total() == seen
    facts = {"connection": anas.id, "purpose": "token", "record": anas.token_set}
    assert await here.happened("integrity") == [facts]
    assert await here.call()  # hers work on


async def test_nobody_joins_the_renewal_of_another_person_s_tokens(here: Linked) -> None:
    anas = await here.connect()
    here.clock.advance(300 * SECOND)
    held = here.sandbox.strict.faults.set("token", "hold", 1)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.call)
            await held.arrived.wait()
            with pytest.raises(NotTheirs):
                await here.refresher.usable(
                    replace(anas, principal=Principal("local", "ben")), here.connector("notes")
                )
            here.sandbox.strict.faults.release()


async def test_tokens_got_under_an_override_do_not_open_without_it(here: Linked, tmp_path: Path) -> None:
    connection = await here.connect()
    here.sandbox.strict.expire(ANA)
    seen = here.sandbox.strict.counters.requests.total()
    settings = settings_for(tmp_path, here.sandbox.base_url, NOTES)
    plain = {url: target for url, target in settings.hosts.items() if url != "https://strict.example"}
    async with opened(settings.model_copy(update={"hosts": plain}), clock=here.clock) as house:
        assert await outcome(Linked(here.sandbox, house, here.clock, here.caller)) == "reconnect"
    assert here.sandbox.strict.counters.requests.total() == seen
    assert await here.happened("integrity") == []
    assert await here.state(connection) == ("connected", None)
    assert await here.call()  # where the override is, nothing has changed


async def test_a_manifest_whose_addresses_changed_asks_the_person_again(here: Linked, tmp_path: Path) -> None:
    await here.connect()
    seen = here.sandbox.strict.counters.requests.total()
    source = Path(NOTES.split('"')[1]) / "notes" / "manifest.toml"
    folder = tmp_path / "changed" / "notes"
    folder.mkdir(parents=True)
    moved = source.read_text().replace(
        "https://strict.example/strict/api", "https://gmail.googleapis.com/api"
    )
    (folder / "manifest.toml").write_text(moved)
    text = f'manifests = ["{folder.parent}"]\n[hosts]\n'
    text += "".join(f'"{a}" = "{b}"\n' for a, b in here.house.ground.settings.hosts.items())
    async with opened(parse(text, tmp_path / FILE), clock=here.clock) as house:
        assert await outcome(Linked(here.sandbox, house, here.clock, here.caller)) == "reconnect"
    assert here.sandbox.strict.counters.requests.total() == seen


async def test_a_client_secret_that_does_not_open_is_the_operators_business(here: Linked) -> None:
    connection = await here.connect()
    here.clock.advance(300 * SECOND)
    await change(
        here, "UPDATE sealed SET version = 9 WHERE purpose = 'client_secret' AND id = $1", "my-notes"
    )
    assert await outcome(here) == "unavailable"
    assert await here.state(connection) == ("connected", None)
    assert [event["error"] for event in await here.happened("registration.refused")] == ["invalid_client"]
