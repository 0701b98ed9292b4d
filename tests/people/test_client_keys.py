"""Public keys of agents: what is taken of an operator's file, and what never is."""

import json
import warnings
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from valetkey.errors import UsageError
from valetkey.people.client_keys import jwks_of, thumbprints

Key = OKPKey | ECKey | RSAKey
ED25519 = OKPKey.generate_key("Ed25519")
GOOD: dict[str, Key] = {
    "Ed25519": ED25519,
    "P-256": ECKey.generate_key("P-256"),
    "RSA": RSAKey.generate_key(),
}


def pem(key: Key, *, private: bool = False) -> str:
    return key.as_pem(private=private).decode()


def shown(key: Key, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


@pytest.mark.parametrize("kind", GOOD)
def test_a_key_in_pem_is_named_by_its_thumbprint(kind: str) -> None:
    key = GOOD[kind]
    (kept,) = jwks_of(pem(key))["keys"]
    assert kept == shown(key, kid=key.thumbprint(), use="sig")
    assert thumbprints({"keys": [kept]}) == [key.thumbprint()]


@pytest.mark.parametrize("kind", GOOD)
def test_a_jwk_and_a_set_of_it_are_the_same(kind: str) -> None:
    jwk = shown(GOOD[kind], kid="2026-11")
    assert jwks_of(json.dumps(jwk)) == jwks_of(json.dumps({"keys": [jwk]}))
    assert jwks_of(json.dumps(jwk))["keys"][0]["kid"] == "2026-11"


@pytest.mark.parametrize("kind", GOOD)
def test_a_private_key_is_refused_and_not_repeated(kind: str) -> None:
    key = GOOD[kind]
    for text in (pem(key, private=True), json.dumps(key.as_dict(private=True))):
        with pytest.raises(UsageError, match="private key") as refused:
            jwks_of(text)
        assert str(key.as_dict(private=True)["d"]) not in str(refused.value)


def _short_rsa() -> Key:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RSAKey.generate_key(1024)


WRONG = {
    "nothing": "",
    "an empty object": "{}",
    "an empty list": "[]",
    "null": "null",
    "prose": "not a key",
    "an empty set": '{"keys": []}',
    "no set": '{"keys": {}}',
    "a set of nothing": '{"keys": [null]}',
    "no point of the curve": '{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}',
    "no key in PEM": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "a shared key": json.dumps(OctKey.import_key("a shared secret of some length, 32").as_dict()),
    "a key that signs nothing": json.dumps(OKPKey.generate_key("X25519").as_dict(private=False)),
    "another curve": json.dumps(ECKey.generate_key("P-384").as_dict(private=False)),
    "a key to encrypt with": json.dumps({"keys": [shown(ED25519, use="enc")]}),
    "too many": json.dumps({"keys": [shown(ED25519)] * 11}),
    "a short RSA key": pem(_short_rsa()),
}


@pytest.mark.parametrize("what", WRONG)
def test_anything_else_is_refused_with_a_sentence(what: str) -> None:
    with pytest.raises(UsageError):
        jwks_of(WRONG[what])
