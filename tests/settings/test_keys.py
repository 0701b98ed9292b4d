"""`[key]`: what it may say, and what it says when it may not."""

from pathlib import Path

import pytest

from valetkey.errors import SettingsError
from valetkey.settings import Settings, parse

HOME = Path("/nowhere")
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def parsed(text: str) -> Settings:
    return parse(f"[key]\n{text}", HOME / "valetkey.toml")


def test_without_it_the_key_is_a_file_of_the_home() -> None:
    found = parse("", HOME / "valetkey.toml")
    assert (found.key.source, found.key_file) == ("file", HOME / "key")


def test_each_source_has_what_it_needs() -> None:
    assert parsed('file = "/etc/valetkey/key"').key_file == Path("/etc/valetkey/key")
    assert parsed('source = "environment"\nvariable = "VALETKEY_KEY"').key.variable == "VALETKEY_KEY"
    assert parsed('source = "passphrase"').key.passphrase_file is None
    assert parsed('source = "keyring"').key.keyring_entry == "root key"
    transit = parsed(
        'source = "transit"\n[key.transit]\nurl = "https://bao:8200"\ntoken_file = "token"'
    ).key.transit
    assert transit is not None
    assert (transit.mount, transit.key) == ("transit", "valetkey")
    kms = parsed(f'source = "aws_kms"\n[key.aws_kms]\nkey = "{ARN}"').key.aws_kms
    assert kms is not None
    assert kms.region == "eu-central-1"


WRONG = {
    "a source that there is not": ('source = "sticky note"', "key.source"),
    "a variable that is not named": ('source = "environment"', "needs `key.variable`"),
    "a variable in small letters": ('source = "environment"\nvariable = "path"', "in capitals"),
    "Transit without a table": ('source = "transit"', "needs `key.transit`"),
    "KMS without a table": ('source = "aws_kms"', "needs `key.aws_kms`"),
    "keys in the clear": (
        'source = "transit"\n[key.transit]\nurl = "http://bao.internal"\ntoken_file = "t"',
        "has to be https",
    ),
    "no token": ('source = "transit"\n[key.transit]\nurl = "https://bao"', "needs a token"),
    "two tokens": (
        'source = "transit"\n[key.transit]\nurl = "https://bao"\ntoken_file = "t"\ntoken_variable = "T"',
        "one of them",
    ),
    "a way out of the mount": (
        'source = "transit"\n[key.transit]\nurl = "https://bao"\nmount = "../sys"\ntoken_file = "t"',
        "key.transit.mount",
    ),
    "an alias": (
        'source = "aws_kms"\n[key.aws_kms]\nkey = "arn:aws:kms:eu-west-1:111122223333:alias/x"',
        "pointed elsewhere",
    ),
    "a key that is written down here": ('key = "c2VjcmV0"', "there is no setting `key.key`"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_it_may_not_say_is_refused_in_words(kind: str) -> None:
    text, says = WRONG[kind]
    with pytest.raises(SettingsError) as caught:
        parsed(text)
    assert says in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
