"""Which root key opens a store: the one that the settings name, made for a new store and for no other."""

import base64
import secrets
import sys
from pathlib import Path

import anyio
import pytest

from valetkey.assemble.unlocking import root_source, unlocked
from valetkey.errors import KeyFileError, SettingsError
from valetkey.model import Clock, Ids
from valetkey.settings import Settings, parse
from valetkey.store.sqlite import SqliteStore
from valetkey.vault import KeyRing
from valetkey.vault.keks import any_wrapped
from valetkey.vault.sources import RootKey, passphrase
from valetkey.vault.sources.handed import NAME, hand_out
from valetkey.vault.sources.passphrase import Header, Nobody

WORDS = "correct horse battery staple"
KEY = base64.b64encode(bytes(range(32))).decode()


class Somebody:
    """Knows a passphrase, and counts how often they were asked."""

    def __init__(self, words: str = WORDS) -> None:
        self.words, self.asked = words, list[str]()

    def known(self) -> str:
        self.asked.append("known")
        return self.words

    def chosen(self) -> str:
        self.asked.append("chosen")
        return self.words


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that takes no time to derive; the real one has its tests beside it."""

    def derived(words: str, header: Header) -> bytes:
        return (words.encode() + header.salt)[:32].ljust(32, b"!")

    monkeypatch.setattr(passphrase, "derived", derived)


def settings(home: Path, text: str) -> Settings:
    return parse(text, home / "valetkey.toml")


class Opening:
    """Opens one store by settings that change."""

    def __init__(self, home: Path, store: SqliteStore, ids: Ids, clock: Clock) -> None:
        self.home, self.store, self._ids, self._clock = home, store, ids, clock

    async def __call__(self, text: str, somebody: Somebody | None = None) -> KeyRing:
        chosen = settings(self.home, text)
        return await unlocked(chosen, self.store, self._ids, self._clock, secrets.token_bytes, somebody)


@pytest.fixture
def opening(tmp_path: Path, store: SqliteStore, ids: Ids, clock: Clock) -> Opening:
    return Opening(tmp_path, store, ids, clock)


FILE, PASSPHRASE = "", '[key]\nsource = "passphrase"'
VARIABLE = '[key]\nsource = "environment"\nvariable = "VALETKEY_TEST_KEY"'


async def test_a_new_store_gets_a_file_and_another_start_opens_it(opening: Opening) -> None:
    first = await opening(FILE)
    assert (await opening(FILE)).store_id == first.store_id
    assert first.keks.source.key_id() == str(opening.home / "key")


async def test_the_file_can_be_elsewhere(opening: Opening) -> None:
    (opening.home / "secret").mkdir(0o700)
    await opening('[key]\nfile = "secret/root"')
    assert (opening.home / "secret" / "root").exists()
    assert not (opening.home / "key").exists()


async def test_a_store_that_has_keys_gets_no_new_file(opening: Opening) -> None:
    await opening(FILE)
    (opening.home / "key").unlink()
    with pytest.raises(KeyFileError, match="missing"):
        await opening(FILE)
    assert not (opening.home / "key").exists()


async def test_a_passphrase_is_chosen_for_a_new_store_and_asked_for_afterwards(opening: Opening) -> None:
    somebody = Somebody()
    first = await opening(PASSPHRASE, somebody)
    assert (await opening(PASSPHRASE, somebody)).store_id == first.store_id
    assert somebody.asked == ["chosen", "known"]
    with pytest.raises(KeyFileError, match="a passphrase is not the key of this store"):
        await opening(PASSPHRASE, Somebody("correct horse battery stable"))


async def test_with_nobody_to_ask_a_passphrase_comes_from_its_file(opening: Opening) -> None:
    await opening(PASSPHRASE, Somebody())
    with pytest.raises(KeyFileError, match="no terminal"):
        await opening(PASSPHRASE)
    file = opening.home / "words"
    file.write_text(f"{WORDS}\n")
    file.chmod(0o600)
    await opening(f'{PASSPHRASE}\npassphrase_file = "words"')


async def test_a_running_server_is_asked_before_a_person_is(opening: Opening) -> None:
    ring = await opening(PASSPHRASE, Somebody())
    assert isinstance(ring.keks.source, RootKey)
    somebody = Somebody()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hand_out, opening.home, ring.keks.source.secret)
            while not (opening.home / NAME).exists():  # noqa: ASYNC110 - the file is the event
                await anyio.sleep(0.01)
            await opening(PASSPHRASE, somebody)
            tasks.cancel_scope.cancel()
    assert somebody.asked == []


async def test_a_variable_is_read_once_and_said_to_be_missing(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyFileError, match="VALETKEY_TEST_KEY is not set"):
        await opening(VARIABLE)
    assert await any_wrapped(opening.store) is None
    monkeypatch.setenv("VALETKEY_TEST_KEY", KEY)
    await opening(VARIABLE)
    with pytest.raises(KeyFileError, match="VALETKEY_TEST_KEY is not set"):
        await opening(VARIABLE)


@pytest.mark.parametrize("text", [PASSPHRASE, VARIABLE, FILE])
async def test_another_source_than_the_keys_are_under_is_refused_and_changes_nothing(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("VALETKEY_TEST_KEY", base64.b64encode(bytes(range(1, 33))).decode())
    await opening(FILE if text != FILE else PASSPHRASE, Somebody())
    (opening.home / "key").write_text(KEY)
    (opening.home / "key").chmod(0o600)
    before = await opening.store.all("SELECT * FROM keks")
    with pytest.raises(KeyFileError, match=r"valetkey keys move|under no passphrase"):
        await opening(text, Somebody())
    assert [dict(row) for row in await opening.store.all("SELECT * FROM keks")] == [
        dict(one) for one in before
    ]


KMS = {
    "openbao": (
        "hvac",
        "transit",
        '[key]\nsource = "transit"\n[key.transit]\nurl = "https://bao"\ntoken_file = "t"',
    ),
    "aws": (
        "boto3",
        "aws_kms",
        '[key]\nsource = "aws_kms"\n[key.aws_kms]\nkey = "arn:aws:kms:eu-west-1:111122223333:key/1-2"',
    ),
    "keyring": ("keyring", "os_keyring", '[key]\nsource = "keyring"'),
}


@pytest.mark.parametrize("extra", KMS)
async def test_a_library_that_is_missing_is_named_by_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    library, module, text = KMS[extra]
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"valetkey.vault.sources.{module}", raising=False)
    monkeypatch.delattr(f"valetkey.vault.sources.{module}", raising=False)
    with pytest.raises(SettingsError, match=rf"pip install 'valetkey\[{extra}\]'"):
        await root_source(settings(tmp_path, text), None, secrets.token_bytes, Nobody())
