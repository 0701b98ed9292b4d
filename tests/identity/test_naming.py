"""Whom claims name: nobody is ever somebody else, whatever stands in a subject."""

import random
import unicodedata
from pathlib import Path

import pytest

from tests.identity.conftest import MCP, OURS
from valetkey.errors import Unauthenticated
from valetkey.identity.issuers import Issuer, Issuers
from valetkey.identity.naming import principal_of
from valetkey.model import Json, Principal
from valetkey.settings import parse

PIECES = ["a", "A", "ana", "/", ":", "|", '"', ",", "[", "]", "\\", "\x1f", "\x00", " ", "\n", "é", "e\u0301"]
PIECES += [
    "ß",
    "ss",
    "ı",
    "i",
    "İ",
    "K",
    "\u212a",
    "\u200b",
    "\ufeff",
    "👩‍🚀",
    "👩",
    "null",
    "0",
    "00",
    "corp",
    "local",
]


def _issuers(claims: str = '["sub"]') -> list[Issuer]:
    tables = [
        f'[issuers.{key}]\nurl = "https://{key}.example"\nsubject_claims = {claims}'
        for key in ("corp", "other")
    ]
    return list(Issuers(parse("\n".join(tables), Path("/srv/valetkey.toml")).issuers, OURS, MCP))


def _named(issuer: Issuer, claims: dict[str, Json]) -> Principal | None:
    try:
        return principal_of(issuer, claims)
    except Unauthenticated:
        return None


def _some(chance: random.Random) -> str:
    text = "".join(chance.choices(PIECES, k=chance.randint(1, 4)))
    return chance.choice([text, text.upper(), unicodedata.normalize(chance.choice(["NFC", "NFD"]), text)])


def test_ten_thousand_pairs_of_subjects_never_collide() -> None:
    """T2: with one claim and with two, at one issuer and at two."""
    chance = random.Random(2)
    one, two = _issuers(), _issuers('["tid", "oid"]')
    named = 0
    for _ in range(10_000):
        first, second = ((_some(chance), _some(chance), chance.randrange(2)) for _ in range(2))
        for issuers, claims in ((one, ("oid",)), (two, ("tid", "oid"))):
            people = [
                _named(issuers[which], {"sub": oid, "tid": tid, "oid": oid})
                for tid, oid, which in (first, second)
            ]
            keys = [(which, *(tid, oid)[2 - len(claims) :]) for tid, oid, which in (first, second)]
            if None not in people:
                named += 1
                assert (people[0] == people[1]) == (keys[0] == keys[1]), (first, second)
    assert named > 5_000


def test_several_claims_are_joined_so_that_no_two_lists_are_one_text() -> None:
    issuer = _issuers('["tid", "oid"]')[0]
    assert principal_of(issuer, {"tid": 'a","b', "oid": "c"}) != principal_of(
        issuer, {"tid": "a", "oid": 'b","c'}
    )
    assert principal_of(issuer, {"tid": "acme", "oid": "7"}).subject == '["acme", "7"]'


def test_one_missing_claim_of_several_names_nobody() -> None:
    with pytest.raises(Unauthenticated):
        principal_of(_issuers('["tid", "oid"]')[0], {"tid": "acme", "sub": "7"})
