"""Passkeys at the library's boundary: whatever is not this person, here, now, for this page, is refused."""

import contextlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.authenticator import PRESENT, Authenticator, b64, unb64
from tests.support.clock import FakeClock
from valetkey.errors import UsageError
from valetkey.model import MINUTE, Ids, Json, Principal
from valetkey.people import Accounts, Passkey, Passkeys
from valetkey.people.passkeys import NotAccepted
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import Vault

URL = "http://localhost:8917"
PAGE = ("session ses_1", "request 1")


@dataclass
class Desk:
    """Passkeys, with the steps that tests repeat."""

    store: SqliteStore
    accounts: Accounts
    passkeys: Passkeys
    ana: Principal
    ben: Principal

    async def add(self, device: Authenticator, principal: Principal | None = None, **client: Json) -> Passkey:
        whose = principal or self.ana
        made = device.make(await self.passkeys.offered(self.store, whose, "ana", *PAGE), **client)
        async with self.store.transaction() as tx:
            return await self.passkeys.add(tx, whose, "A device", made, *PAGE)

    async def asked(self, *about: str) -> str:
        return await self.passkeys.asked_of(self.store, self.ana, *(about or PAGE))

    async def prove(self, device: Authenticator, **client: Json) -> Passkey:
        """Ana proves that she is there, with a device."""
        return await self.passkeys.use(device.sign(await self.asked(), **client), *PAGE, principal=self.ana)


@pytest.fixture
async def desk(store: SqliteStore, vault: Vault, ids: Ids, clock: FakeClock) -> Desk:
    accounts = Accounts(store, vault.keys, ids, clock, secrets.token_bytes)
    passkeys = Passkeys(store, vault.keys, ids, clock, secrets.token_bytes, URL)
    async with store.transaction() as tx:
        ana, ben = [(await accounts.add(tx, name)).principal for name in ("ana", "ben")]
    return Desk(store, accounts, passkeys, ana, ben)


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(URL)


@pytest.fixture
async def hers(desk: Desk, device: Authenticator) -> Authenticator:
    """A device of Ana's whose passkey is known."""
    await desk.add(device)
    return device


async def test_a_passkey_that_was_made_here_proves_its_person(
    desk: Desk, hers: Authenticator, clock: FakeClock
) -> None:
    clock.advance(MINUTE)
    used = await desk.prove(hers)
    assert (used.principal, used.host, used.name) == (desk.ana, "localhost", "A device")
    (kept,) = await desk.passkeys.here(desk.store, desk.ana)
    assert (kept.id, kept.used) == (used.id, clock.now())


async def test_whoever_comes_with_a_passkey_need_say_no_name(desk: Desk, hers: Authenticator) -> None:
    signed = hers.sign(desk.passkeys.asked("sign in", "browser 1"))
    assert (await desk.passkeys.use(signed, "sign in", "browser 1")).principal == desk.ana


async def test_what_browsers_are_asked_is_for_verified_people_with_keys_that_say_whose_they_are(
    desk: Desk, hers: Authenticator
) -> None:
    offered = json.loads(await desk.passkeys.offered(desk.store, desk.ana, "ana", *PAGE))
    chosen = offered["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert (offered["rp"]["id"], offered["attestation"]) == ("localhost", "none")
    assert [one["id"] for one in offered["excludeCredentials"]] == [b64(hers.id)]
    asked = json.loads(await desk.asked())
    assert (asked["userVerification"], asked["rpId"]) == ("required", "localhost")
    assert [one["id"] for one in asked["allowCredentials"]] == [b64(hers.id)]
    assert json.loads(desk.passkeys.asked(*PAGE))["allowCredentials"] == []


WRONG: dict[str, tuple[Callable[[Authenticator], object], Json]] = {
    "another origin": (lambda device: setattr(device, "origin", "https://evil.example"), {}),
    "another port": (lambda device: setattr(device, "origin", "http://localhost:8918"), {}),
    "another relying party": (lambda device: setattr(device, "host", "evil.example"), {}),
    "nobody verified": (lambda device: setattr(device, "flags", PRESENT), {}),
    "nobody present": (lambda device: setattr(device, "flags", 0x04), {}),
    "a frame of another site": (lambda device: None, {"crossOrigin": True}),
    "the wrong ceremony": (lambda device: None, {"type": "payment.get"}),
    "no challenge of ours": (lambda device: None, {"challenge": b64(b"invented")}),
    "an empty challenge": (lambda device: None, {"challenge": ""}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_signed_elsewhere_or_otherwise_is_refused(
    desk: Desk, hers: Authenticator, what: str
) -> None:
    change, client = WRONG[what]
    change(hers)
    with pytest.raises(NotAccepted) as refused:
        await desk.prove(hers, **client)
    assert refused.value.copied is None


@pytest.mark.parametrize("what", [name for name in WRONG if name != "the wrong ceremony"])
async def test_what_is_made_elsewhere_or_otherwise_is_not_kept(
    desk: Desk, device: Authenticator, what: str
) -> None:
    change, client = WRONG[what]
    change(device)
    with pytest.raises(NotAccepted):
        await desk.add(device, **client)
    assert await desk.passkeys.all(desk.store, desk.ana) == []


async def test_what_was_signed_once_is_worth_nothing_a_second_time(desk: Desk, hers: Authenticator) -> None:
    asked = await desk.asked()
    signed = hers.sign(asked)
    await desk.passkeys.use(signed, *PAGE, principal=desk.ana)
    for again in (signed, hers.sign(asked)):
        with pytest.raises(NotAccepted, match="too long"):
            await desk.passkeys.use(again, *PAGE, principal=desk.ana)


@pytest.mark.parametrize("about", [("session ses_1", "request 2"), ("session ses_2", "request 1"), ()])
async def test_what_was_signed_for_one_page_is_worth_nothing_on_another(
    desk: Desk, hers: Authenticator, about: tuple[str, ...]
) -> None:
    signed = hers.sign(await desk.asked())
    with pytest.raises(NotAccepted):
        await desk.passkeys.use(signed, *about, principal=desk.ana)
    assert await desk.passkeys.use(signed, *PAGE, principal=desk.ana)


async def test_what_was_signed_to_sign_in_makes_no_passkey_and_the_other_way_round(
    desk: Desk, hers: Authenticator, device: Authenticator
) -> None:
    offered = json.loads(await desk.passkeys.offered(desk.store, desk.ana, "ana", *PAGE))
    with pytest.raises(NotAccepted):
        await desk.prove(hers, challenge=offered["challenge"])


async def test_a_challenge_lasts_five_minutes(desk: Desk, hers: Authenticator, clock: FakeClock) -> None:
    asked = await desk.asked()
    clock.advance(5 * MINUTE)
    with pytest.raises(NotAccepted, match="too long"):
        await desk.passkeys.use(hers.sign(asked), *PAGE, principal=desk.ana)
    asked = await desk.asked()
    clock.advance(5 * MINUTE - 1)
    assert await desk.passkeys.use(hers.sign(asked), *PAGE, principal=desk.ana)


async def test_somebody_elses_passkey_proves_nothing(desk: Desk, hers: Authenticator) -> None:
    his = Authenticator(URL)
    await desk.add(his, desk.ben)
    with pytest.raises(NotAccepted, match="not known"):
        await desk.prove(his)


@pytest.mark.parametrize("handle", ["", b64(b"per_somebody"), b64(b"")])
async def test_a_passkey_that_does_not_say_whose_it_is_signs_nobody_in(
    desk: Desk, hers: Authenticator, handle: str
) -> None:
    hers.handle = handle
    with pytest.raises(NotAccepted):
        await desk.passkeys.use(hers.sign(desk.passkeys.asked("x")), "x")


async def test_a_signature_of_another_key_is_refused(desk: Desk, hers: Authenticator) -> None:
    hers.key = Authenticator(URL).key
    with pytest.raises(NotAccepted):
        await desk.prove(hers)


async def test_a_counter_that_goes_back_is_refused_and_says_which_passkey(
    desk: Desk, hers: Authenticator
) -> None:
    for _ in range(3):
        passkey = await desk.prove(hers)
    for behind in (1, 2):  # the next one signed would have been 2, or 3 again
        hers.count = behind
        with pytest.raises(NotAccepted, match="exist twice") as refused:
            await desk.prove(hers)
        assert refused.value.copied is not None
        assert refused.value.copied.id == passkey.id
    assert await desk.prove(hers), "the original is ahead of its copy"


async def test_a_counter_is_believed_only_once_it_is_clear_who_signed(
    desk: Desk, hers: Authenticator
) -> None:
    """Else anybody who knows a credential's id could have it reported as copied."""
    await desk.prove(hers)
    hers.count, hers.key = 0, Authenticator(URL).key
    with pytest.raises(NotAccepted) as refused:
        await desk.prove(hers)
    assert refused.value.copied is None


async def test_a_device_that_counts_nothing_is_taken_each_time(desk: Desk) -> None:
    device = Authenticator(URL, counts=False)
    await desk.add(device)
    for _ in range(3):
        assert await desk.prove(device)


async def test_one_credential_is_kept_once(desk: Desk, hers: Authenticator) -> None:
    with pytest.raises(NotAccepted, match="here already"):
        await desk.add(hers)
    with pytest.raises(NotAccepted, match="here already"):
        await desk.add(hers, desk.ben)


@pytest.mark.parametrize(
    ("given", "kept"), [("\x00\n ", "A passkey"), (" a\tb\u202e ", "a b"), ("x" * 99, "x" * 60)]
)
async def test_a_name_is_one_short_line_of_what_can_be_seen(
    desk: Desk, device: Authenticator, given: str, kept: str
) -> None:
    made = device.make(await desk.passkeys.offered(desk.store, desk.ana, "ana", *PAGE))
    async with desk.store.transaction() as tx:
        assert (await desk.passkeys.add(tx, desk.ana, given, made, *PAGE)).name == kept


async def test_nobody_has_more_than_twenty(desk: Desk) -> None:
    for _ in range(20):
        await desk.add(Authenticator(URL))
    with pytest.raises(UsageError, match="20"):
        await desk.add(Authenticator(URL))


async def test_a_removed_passkey_opens_nothing(desk: Desk, hers: Authenticator) -> None:
    (first,) = await desk.passkeys.here(desk.store, desk.ana)
    other = Authenticator(URL)
    kept = await desk.add(other)
    async with desk.store.transaction() as tx:
        await desk.passkeys.remove(tx, desk.ana, first.id)
    with pytest.raises(NotAccepted, match="not known"):
        await desk.prove(hers)
    assert (await desk.prove(other)).id == kept.id


async def test_the_last_way_to_sign_in_stays(desk: Desk, hers: Authenticator) -> None:
    (only,) = await desk.passkeys.here(desk.store, desk.ana)
    async with desk.store.transaction() as tx:
        with pytest.raises(UsageError, match="only way"):
            await desk.passkeys.remove(tx, desk.ana, only.id)
        await desk.accounts.set_password(tx, desk.ana, "a hash")
        assert await desk.passkeys.remove(tx, desk.ana, only.id) == only


async def test_a_passkey_of_another_host_is_no_way_in_and_keeps_no_other_from_being_the_last(
    desk: Desk, hers: Authenticator, vault: Vault, ids: Ids, clock: FakeClock
) -> None:
    moved = Passkeys(desk.store, vault.keys, ids, clock, secrets.token_bytes, "https://vk.example.com")
    assert await moved.asked_of(desk.store, desk.ana, *PAGE) == ""
    assert await moved.elsewhere(desk.store) == ["localhost"]
    signed = hers.sign(moved.asked("x"))
    with pytest.raises(NotAccepted, match="not known"):
        await moved.use(signed, "x")
    new = Authenticator("https://vk.example.com", "vk.example.com")
    made = new.make(await moved.offered(desk.store, desk.ana, "ana", *PAGE))
    async with desk.store.transaction() as tx:
        added = await moved.add(tx, desk.ana, "", made, *PAGE)
        with pytest.raises(UsageError, match="only way"):
            await moved.remove(tx, desk.ana, added.id)
        (old,) = [one for one in await moved.all(tx, desk.ana) if one.host == "localhost"]
        await moved.remove(tx, desk.ana, old.id)
    assert added.name == "A passkey"


async def test_somebody_elses_passkey_cannot_be_removed(desk: Desk, hers: Authenticator) -> None:
    (one,) = await desk.passkeys.here(desk.store, desk.ana)
    async with desk.store.transaction() as tx:
        with pytest.raises(UsageError, match="no such"):
            await desk.passkeys.remove(tx, desk.ben, one.id)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8917", "http://[::1]:8917", "https://10.0.0.7"])
async def test_at_an_address_of_numbers_none_are_offered(
    desk: Desk, vault: Vault, ids: Ids, clock: FakeClock, url: str
) -> None:
    here = Passkeys(desk.store, vault.keys, ids, clock, secrets.token_bytes, url)
    offered = [here.asked(*PAGE), await here.offered(desk.store, desk.ana, "ana", *PAGE)]
    assert (here.possible, offered) == (False, ["", ""])


async def test_an_invitation_anew_leaves_no_passkey(desk: Desk, hers: Authenticator) -> None:
    async with desk.store.transaction() as tx:
        ana = await desk.accounts.get(tx, desk.ana)
        secret = await desk.accounts.invite(tx, ana)
    assert ana.joined
    assert not ana.has_password
    await desk.accounts.join(secret, "quite another password")
    with pytest.raises(NotAccepted, match="not known"):
        await desk.passkeys.use(hers.sign(desk.passkeys.asked("x")), "x")


FIELDS = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")
NAMES = st.sampled_from(("id", "rawId", "type", "response", *FIELDS)) | st.text()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(b64)
GARBAGE = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=8)
fuzzed = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def tried(desk: Desk, sent: str) -> list[Passkey]:
    """What comes of a text as a signature and as a new passkey; nothing but a refusal may be raised."""
    found: list[Passkey] = []
    with contextlib.suppress(NotAccepted):
        found.append(await desk.passkeys.use(sent, *PAGE, principal=desk.ana))
    with contextlib.suppress(NotAccepted):
        async with desk.store.transaction() as tx:
            found.append(await desk.passkeys.add(tx, desk.ana, "x", sent, *PAGE))
    return found


@fuzzed
@given(st.text() | GARBAGE.map(json.dumps))
async def test_garbage_is_refused(desk: Desk, sent: str) -> None:
    assert await tried(desk, sent) == []


@pytest.mark.parametrize("sent", ["[" * 100_000, '{"a":' * 50_000, "NaN", '{"id": 1e999}', "\x00", "\ud800"])
async def test_garbage_that_is_meant_to_hurt_is_refused(desk: Desk, sent: str) -> None:
    assert await tried(desk, sent) == []


@fuzzed
@given(st.sampled_from(["id", "rawId", "type", *FIELDS]), GARBAGE)
async def test_a_signature_with_anything_put_in_it_is_refused(
    desk: Desk, device: Authenticator, field: str, put: Json
) -> None:
    if not await desk.passkeys.here(desk.store, desk.ana):
        await desk.add(device)
    good = json.loads(device.sign(await desk.asked()))
    place = good if field in good else good["response"]
    if put == place.get(field) or field in {"attestationObject", "userHandle"}:
        return
    place[field] = put
    assert await tried(desk, json.dumps(good)) == []


@fuzzed
@given(st.sampled_from(FIELDS), st.integers(0, 300), st.integers(1, 255))
async def test_a_byte_that_was_changed_proves_nothing_and_breaks_nothing(
    desk: Desk, device: Authenticator, field: str, at: int, flip: int
) -> None:
    """A new passkey is signed by nobody, so with some bytes it is just another one."""
    if not await desk.passkeys.here(desk.store, desk.ana):
        await desk.add(device)
    made = Authenticator(URL).make(await desk.passkeys.offered(desk.store, desk.ben, "ben", *PAGE))
    for sent in (device.sign(await desk.asked()), made):
        changed = json.loads(sent)
        if field not in changed["response"]:
            continue
        content = bytearray(unb64(changed["response"][field]))
        content[at % len(content)] ^= flip
        changed["response"][field] = b64(bytes(content))
        with contextlib.suppress(NotAccepted, UsageError):  # in the end he has twenty of them
            async with desk.store.transaction() as tx:
                await desk.passkeys.add(tx, desk.ben, "x", json.dumps(changed), *PAGE)
        with pytest.raises(NotAccepted):
            await desk.passkeys.use(json.dumps(changed), *PAGE, principal=desk.ana)
