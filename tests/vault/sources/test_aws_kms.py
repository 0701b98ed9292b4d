"""A root key in AWS KMS, against a server that speaks its protocol.

That server lets a disabled key decrypt, which AWS does not: nothing here is said about disabled keys.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import boto3  # type: ignore[import-untyped] # it carries no types
import pytest
from moto.server import ThreadedMotoServer

from tests.vault.conftest import Shelf
from valetkey.assemble.unlocking import root_source
from valetkey.errors import IntegrityError, KeyFileError
from valetkey.settings import Settings
from valetkey.settings.keys import AwsKmsSettings, KeySettings
from valetkey.vault.keks import place_of
from valetkey.vault.rotation import move, wrapped_by
from valetkey.vault.sources.aws_kms import AwsKms
from valetkey.vault.sources.passphrase import Nobody

KEK, PLACE, REGION = bytes(range(32)), place_of("sto_1", "kek_1"), "eu-central-1"
NOBODYS = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Kms:
    """Where the server is, and the ARNs of two keys there."""

    url: str
    key: str
    other: str

    def source(self, key: str | None = None, url: str | None = None) -> AwsKms:
        return AwsKms(key or self.key, REGION, url or self.url, verify=True, proxy=None)


@pytest.fixture(scope="module")
def kms() -> Iterator[Kms]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "at the tests")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        url = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client("kms", region_name=REGION, endpoint_url=url)
        yield Kms(url, *(client.create_key()["KeyMetadata"]["Arn"] for _ in range(2)))
    server.stop()


def test_a_key_comes_back_at_its_place_and_nowhere_else(kms: Kms) -> None:
    blob = kms.source().wrap(KEK, PLACE)
    assert KEK not in blob
    assert kms.source().unwrap(blob, PLACE) == KEK
    for elsewhere in (place_of("sto_2", "kek_1"), place_of("sto_1", "kek_2")):
        with pytest.raises(IntegrityError):
            kms.source().unwrap(blob, elsewhere)


def test_what_it_did_not_wrap_or_somebody_changed_is_refused(kms: Kms) -> None:
    blob = kms.source().wrap(KEK, PLACE)
    changed = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(60, len(blob), 9)]
    for wrong in (*changed, b"VK1\x01" + bytes(60), b"vault:v1:AAAA"):
        with pytest.raises((IntegrityError, KeyFileError)):
            kms.source().unwrap(wrong, PLACE)


def test_another_key_of_the_same_account_does_not_open_it(kms: Kms) -> None:
    with pytest.raises((IntegrityError, KeyFileError)):
        kms.source(kms.other).unwrap(kms.source().wrap(KEK, PLACE), PLACE)


def test_a_key_that_is_not_there_and_a_server_that_is_not_are_said(kms: Kms) -> None:
    with pytest.raises(KeyFileError, match=r"cannot be asked \(NotFoundException\); nothing was changed"):
        kms.source(f"{kms.key.rpartition('/')[0]}/{NOBODYS}").wrap(KEK, PLACE)
    with pytest.raises(KeyFileError, match="EndpointConnectionError"):
        kms.source(url="http://127.0.0.1:1").wrap(KEK, PLACE)


def test_no_variable_sends_it_elsewhere(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert kms.source().unwrap(kms.source().wrap(KEK, PLACE), PLACE) == KEK


def test_without_an_endpoint_it_is_the_regions_whatever_a_variable_says(
    kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    client = AwsKms(kms.key, REGION, None, verify=True, proxy=None)._client
    assert client.meta.endpoint_url == "https://kms.eu-central-1.amazonaws.com"


async def test_a_whole_store_stands_on_it(kms: Kms, shelf: Shelf, tmp_path: Path) -> None:
    await shelf.put(["a", "b"])
    named = AwsKmsSettings(key=kms.key, endpoint=kms.url)
    settings = Settings(home=tmp_path, key=KeySettings(source="aws_kms", aws_kms=named))
    with anyio.fail_after(60):
        source = await root_source(settings, None, secrets.token_bytes, Nobody())
        wrapped = await wrapped_by(shelf.store, shelf.vault.keys, source)
        async with shelf.store.transaction() as tx:
            await move(tx, wrapped)
        assert await shelf.opens(["a", "b"], await shelf.again(kms.source()))
    with pytest.raises(KeyFileError, match="are under `aws_kms`, and"):
        await shelf.again()
