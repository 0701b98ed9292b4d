"""`[key]`: where the root key is that opens the store. Nothing but this file ever chooses that."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from valetkey.settings.values import Origin, Table, is_loopback

_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_NEEDS = {"transit": "transit", "aws_kms": "aws_kms", "environment": "variable"}
"""What a source cannot be without."""


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", text):
        raise ValueError("has to be the name of a variable in capitals, such as `VALETKEY_KEY`")
    return text


def _arn(text: str) -> str:
    if not _ARN.fullmatch(text):
        raise ValueError(
            "has to be the ARN of a key (`arn:aws:kms:…:key/…`); an alias can be pointed elsewhere"
        )
    return text


def _closed(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("has to be https, except on this machine: keys go there")
    return text


Variable = Annotated[str, AfterValidator(_variable)]
Arn = Annotated[str, AfterValidator(_arn)]
KeyServer = Annotated[Origin, AfterValidator(_closed)]
PathName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]


class TransitSettings(Table):
    """`[key.transit]`: a key of the Transit engine of HashiCorp Vault or OpenBao, and the token for it."""

    url: KeyServer
    mount: PathName = "transit"
    key: PathName = "valetkey"
    token_file: Path | None = None
    token_variable: Variable | None = None

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token_file is None) == (self.token_variable is None):
            raise ValueError("needs a token: `token_file` or `token_variable`, one of them")
        return self


class AwsKmsSettings(Table):
    """`[key.aws_kms]`: a key of AWS KMS. Its region is in its ARN."""

    key: Arn
    endpoint: KeyServer | None = None

    @property
    def region(self) -> str:
        """The region that the ARN names."""
        return self.key.split(":")[3]


class KeySettings(Table):
    """`[key]`: which source the root key has, and where exactly."""

    source: Literal["file", "environment", "passphrase", "keyring", "transit", "aws_kms"] = "file"
    file: Path = Path("key")
    variable: Variable | None = None
    passphrase_file: Path | None = None
    keyring_entry: str = Field("root key", min_length=1, max_length=200)
    transit: TransitSettings | None = None
    aws_kms: AwsKmsSettings | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = _NEEDS.get(self.source)
        if needed and getattr(self, needed) is None:
            raise ValueError(f'`source = "{self.source}"` needs `key.{needed}`')
        return self
