"""Tokens that an issuer is asked about: opaque ones, and ones that it revoked."""

from typing import Any

import pytest

from tests.identity.conftest import ANA, MCP, SETTINGS, Ground, Trusting
from valetkey.errors import Unauthenticated
from valetkey.model import SECOND, Principal


async def _refused(trusting: Trusting, token: str, status: int = 401) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await trusting.identity.of_token(token)
    assert refused.value.status == status, refused.value


@pytest.mark.parametrize("opaque", [True, False])
async def test_the_issuer_says_whose_a_token_is(asking: Trusting, opaque: bool) -> None:
    token = asking.sandbox.corp.access_token(ANA, MCP, opaque=opaque)
    found = await asking.identity.of_token(token)
    assert (found.caller.principal, found.caller.actor.client) == (
        Principal("corp", "corp-ana"),
        "corp/assistant",
    )
    assert asking.sandbox.corp.books.asked["introspect"] == 1


@pytest.mark.parametrize("opaque", [True, False])
async def test_a_revoked_token_is_refused_within_a_second_also_by_a_call_that_is_held(
    asking: Trusting, opaque: bool
) -> None:
    corp = asking.sandbox.corp
    token = corp.access_token(ANA, MCP, opaque=opaque)
    held = (await asking.identity.of_token(token)).caller.session
    assert await asking.identity.session(held)
    corp.revoke(token)
    asking.clock.advance(SECOND)
    with pytest.raises(Unauthenticated):
        await asking.identity.session(held)
    await _refused(asking, token)


async def test_an_answer_is_used_for_a_second_and_no_longer(asking: Trusting) -> None:
    token = asking.sandbox.corp.access_token(ANA, MCP, opaque=True)
    for _ in range(10):
        await asking.identity.of_token(token)
    assert asking.sandbox.corp.books.asked["introspect"] == 1
    asking.clock.advance(SECOND)
    await asking.identity.of_token(token)
    assert asking.sandbox.corp.books.asked["introspect"] == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.example"},
        {"aud": [MCP, "https://other.example"]},
        {"aud": None},
        {"exp": None},
        {"iss": "https://partner.example/team"},
        {"client_id": None},
    ],
)
async def test_what_the_issuer_says_is_held_to_the_same_rules(
    asking: Trusting, changed: dict[str, Any]
) -> None:
    await _refused(asking, asking.sandbox.corp.access_token(ANA, MCP, opaque=True, **changed))


async def test_a_token_without_a_person_is_forbidden(asking: Trusting) -> None:
    await _refused(asking, asking.sandbox.corp.access_token(ANA, MCP, opaque=True, sub=None), 403)


async def test_an_issuer_that_cannot_be_asked_lets_nobody_in(asking: Trusting) -> None:
    asking.sandbox.corp.provider.faults.set("api", "status", status=500)
    await _refused(asking, asking.sandbox.corp.access_token(ANA, MCP, opaque=True), 503)


async def test_without_the_secret_nothing_is_asked(ground: Ground) -> None:
    trusting = ground.trusting(SETTINGS + '[issuers.corp.introspection]\nclient_id = "valetkey-pages"\n')
    await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, opaque=True), 503)
    assert trusting.sandbox.corp.books.asked["introspect"] == 0


async def test_an_opaque_token_is_asked_about_at_no_issuer_that_did_not_want_that(trusting: Trusting) -> None:
    await _refused(trusting, trusting.sandbox.corp.access_token(ANA, MCP, opaque=True))
    assert not trusting.sandbox.corp.books.asked


async def test_a_token_of_the_other_issuer_is_not_shown_to_this_one(asking: Trusting) -> None:
    await asking.identity.of_token(asking.sandbox.partner.access_token(ANA, MCP))
    await _refused(asking, asking.sandbox.partner.access_token(ANA, MCP, iss="https://evil.example"))
    assert asking.sandbox.corp.books.asked["introspect"] == 0
