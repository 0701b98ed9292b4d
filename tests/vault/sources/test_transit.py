"""A root key in the Transit engine of a real OpenBao."""

import base64
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.vault.conftest import Shelf
from tests.vault.sources.openbao import Bao, openbao
from valetkey.assemble.unlocking import root_source
from valetkey.errors import IntegrityError, KeyFileError
from valetkey.settings import Settings
from valetkey.settings.keys import KeySettings, TransitSettings
from valetkey.vault.keks import place_of
from valetkey.vault.rotation import move, wrapped_by
from valetkey.vault.sources.passphrase import Nobody
from valetkey.vault.sources.transit import Transit

KEK, PLACE = bytes(range(32)), place_of("sto_1", "kek_1")


@pytest.fixture(scope="module")
def bao() -> Iterator[Bao]:
    with openbao() as started:
        yield started


def transit(bao: Bao, token: str | None = None, name: str = "valetkey", url: str | None = None) -> Transit:
    return Transit(url or bao.url, "transit", name, token or bao.token, verify=True, proxy=None)


def test_a_key_comes_back_at_its_place_and_nowhere_else(bao: Bao) -> None:
    source = transit(bao)
    blob = source.wrap(KEK, PLACE)
    assert blob.startswith(b"vault:v1:")
    assert KEK not in blob
    assert source.unwrap(blob, PLACE) == KEK
    for elsewhere in (place_of("sto_2", "kek_1"), place_of("sto_1", "kek_2")):
        with pytest.raises(IntegrityError):
            source.unwrap(blob, elsewhere)


def test_no_changed_byte_is_accepted(bao: Bao) -> None:
    source = transit(bao)
    version, _, text = source.wrap(KEK, PLACE).rpartition(b":")
    sealed = base64.b64decode(text)
    for at in range(0, len(sealed), 3):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(IntegrityError):
            source.unwrap(version + b":" + base64.b64encode(changed), PLACE)


@pytest.mark.parametrize(
    "blob", [b"", b"VK1\x01" + bytes(60), b"vault:v1:", b"vault:v9:AAAA", b"vault:v\xff"]
)
def test_what_it_did_not_wrap_is_refused(bao: Bao, blob: bytes) -> None:
    with pytest.raises(IntegrityError):
        transit(bao).unwrap(blob, PLACE)


def test_after_a_rotation_over_there_the_old_version_opens(bao: Bao) -> None:
    source = transit(bao)
    blob = source.wrap(KEK, PLACE)
    bao.root.secrets.transit.rotate_key("valetkey")
    assert source.unwrap(blob, PLACE) == KEK


def test_a_token_that_may_not_and_a_server_that_is_not_there_are_told_apart_from_a_wrong_key(
    bao: Bao,
) -> None:
    blob = transit(bao).wrap(KEK, PLACE)
    with pytest.raises(KeyFileError, match=r"cannot be asked \(Forbidden\); its token has ended"):
        transit(bao, token="hvs.nobody").unwrap(blob, PLACE)
    with pytest.raises(KeyFileError, match=r"`other` .*Forbidden"):
        transit(bao, name="other").wrap(KEK, PLACE)
    with pytest.raises(KeyFileError, match="ConnectionError"):
        transit(bao, url="http://127.0.0.1:1").unwrap(blob, PLACE)


@pytest.mark.parametrize("variable", ["VAULT_ADDR", "HTTP_PROXY", "ALL_PROXY", "http_proxy"])
def test_no_variable_sends_it_elsewhere(bao: Bao, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", "somebody-elses")
    monkeypatch.setenv("NO_PROXY", "")
    assert transit(bao).unwrap(transit(bao).wrap(KEK, PLACE), PLACE) == KEK


def test_it_follows_no_redirect_because_its_token_would_go_along(bao: Bao) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = f"HTTP/1.1 307 Elsewhere\r\nLocation: {bao.url}/v1/transit/encrypt/valetkey\r\n"
        thread = threading.Thread(target=_answer_once, args=(listener, answer))
        thread.start()
        with pytest.raises(KeyFileError, match="cannot be asked"):
            transit(bao, url=f"http://127.0.0.1:{listener.getsockname()[1]}").wrap(KEK, PLACE)
        thread.join()


def _answer_once(listener: socket.socket, answer: str) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(f"{answer}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())


def settings(home: Path, bao: Bao, **token: object) -> Settings:
    named = TransitSettings.model_validate({"url": bao.url, **token})
    return Settings(home=home, key=KeySettings(source="transit", transit=named))


async def test_the_settings_say_where_its_token_is(
    bao: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{bao.token}\n")
    file.chmod(0o600)
    monkeypatch.setenv("BAO", bao.token)
    for where in ({"token_file": "token"}, {"token_variable": "BAO"}):
        source = await root_source(settings(tmp_path, bao, **where), None, secrets.token_bytes, Nobody())
        assert source.unwrap(source.wrap(KEK, PLACE), PLACE) == KEK
    with pytest.raises(KeyFileError, match="empty or not set"):  # it was taken out
        await root_source(settings(tmp_path, bao, token_variable="BAO"), None, secrets.token_bytes, Nobody())
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="others can read the token"):
        await root_source(settings(tmp_path, bao, token_file="token"), None, secrets.token_bytes, Nobody())


async def test_a_whole_store_stands_on_it(bao: Bao, shelf: Shelf) -> None:
    """Moved there, rotated there, opened from there; and its engine is asked for nothing in between."""
    await shelf.put(["a", "b"])
    source = transit(bao)
    wrapped = await wrapped_by(shelf.store, shelf.vault.keys, source)
    async with shelf.store.transaction() as tx:
        await move(tx, wrapped)
    with anyio.fail_after(60):
        moved = await shelf.again(source)
        rotation, new = await shelf.begin(moved)
        await shelf.rotated(rotation)
        assert await shelf.under(new) > 2
        assert await shelf.opens(["a", "b"], await shelf.again(transit(bao)))
    with pytest.raises(KeyFileError, match="are under `transit`, and"):
        await shelf.again()
