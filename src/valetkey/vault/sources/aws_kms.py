"""The root key in AWS KMS, through `boto3`: an extra.

It never leaves there: each key-encryption key is sent to be wrapped or unwrapped, with its place as the
encryption context. Blocking; called at start and on rotation alone.
"""

from typing import Any

import boto3  # type: ignore[import-untyped] # neither carries types
from botocore.config import Config  # type: ignore[import-untyped] # as above
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped] # as above

from valetkey.errors import IntegrityError, KeyFileError
from valetkey.vault.seal import Place

KIND = "aws_kms"
_SECONDS = 20
_NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}


class AwsKms:
    """One key of AWS KMS, by its ARN. Who we are there, boto3 finds as it does everywhere."""

    kind = KIND

    def __init__(
        self, key: str, region: str, endpoint: str | None, *, verify: str | bool, proxy: str | None
    ) -> None:
        self._key = key
        config = Config(
            connect_timeout=_SECONDS,
            read_timeout=_SECONDS,
            retries={"total_max_attempts": 3, "mode": "standard"},
            proxies={"http": proxy, "https": proxy} if proxy else {},
            ignore_configured_endpoint_urls=True,  # a variable must not say where keys are sent
        )
        self._client = boto3.client(
            "kms", region_name=region, endpoint_url=endpoint, verify=verify, config=config
        )

    def key_id(self) -> str:
        return f"AWS KMS, {self._key}"

    def wrap(self, kek: bytes, context: Place) -> bytes:
        return bytes(self._asked("encrypt", context, Plaintext=kek)["CiphertextBlob"])

    def unwrap(self, blob: bytes, context: Place) -> bytes:
        return bytes(self._asked("decrypt", context, CiphertextBlob=blob)["Plaintext"])

    def _asked(self, operation: str, context: Place, **what: bytes) -> dict[str, Any]:
        bound = {"valetkey:purpose": context.purpose, "valetkey:store": context.store}
        bound |= {"valetkey:record": context.id, "valetkey:version": str(context.version)}
        try:
            return dict(getattr(self._client, operation)(KeyId=self._key, EncryptionContext=bound, **what))
        except ClientError as error:
            raise self._refused(str(error.response.get("Error", {}).get("Code"))) from None
        except BotoCoreError as error:
            raise self._refused(type(error).__name__) from None

    def _refused(self, code: str) -> Exception:
        if code in _NOT_OURS:
            return IntegrityError("AWS KMS does not open this key where it stands")
        return KeyFileError(f"{self.key_id()}: cannot be asked ({code}); nothing was changed")
