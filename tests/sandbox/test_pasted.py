"""The providers of pasted secrets: what each takes, from where, and whose answer comes back."""

import base64
from typing import Any

import pytest

from tests.sandbox.visitor import Visitor
from valetkey.sandbox import KEYS, LOGINS, PEOPLE, TOKENS, Sandbox

ANA = "ana@example.com"


def basic(pair: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def headers(provider: str, account: str, number: int = 0) -> dict[str, str]:
    """The header in which a person's secret is sent to each of the three."""
    return {
        "keyed": {"X-Api-Key": KEYS[account][number]},
        "bearer": {"Authorization": f"Bearer {TOKENS[account][number]}"},
        "basic": basic(LOGINS[account][number] + (":" if number else "")),
    }[provider]


async def whoami(visitor: Visitor, provider: str, headers: dict[str, str], **query: Any) -> Any:
    answer = await visitor.http.get(f"/{provider}/whoami", headers=headers, params=query)
    return answer.json().get("email", answer.status_code)


@pytest.mark.parametrize("provider", ["keyed", "bearer", "basic"])
@pytest.mark.parametrize("number", [0, 1])
async def test_each_secret_is_its_owners(visitor: Visitor, provider: str, number: int) -> None:
    for person in PEOPLE:
        assert await whoami(visitor, provider, headers(provider, person.email, number)) == person.email


@pytest.mark.parametrize("provider", ["keyed", "bearer", "basic"])
async def test_no_secret_another_one_and_the_right_one_elsewhere_are_refused(
    visitor: Visitor, sandbox: Sandbox, provider: str
) -> None:
    for wrong in ({}, {"X-Api-Key": "guess"}, {"Authorization": "Bearer guess"}, basic("ana@example.com:")):
        assert await whoami(visitor, provider, wrong) == 401
    for other in {"keyed", "bearer", "basic"} - {provider}:
        assert await whoami(visitor, provider, headers(other, ANA)) == 401
    assert sandbox.providers[provider].counters.api_calls == {}


async def test_a_key_comes_in_the_query_only_where_the_rule_says_so(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    assert await whoami(visitor, "keyed", {}, api_key=KEYS[ANA][0]) == 401
    sandbox.providers["keyed"].change(secret_in_query=True)
    assert await whoami(visitor, "keyed", {}, api_key=KEYS[ANA][0]) == ANA


async def test_a_token_stands_in_for_either_half_of_a_basic_pair(visitor: Visitor) -> None:
    token = LOGINS[ANA][1]
    assert [await whoami(visitor, "basic", basic(pair)) for pair in (f"{token}:", f"api:{token}")] == [
        ANA,
        ANA,
    ]
    assert [await whoami(visitor, "basic", basic(pair)) for pair in (f":{token}", f"{token}:x")] == [401, 401]


async def test_the_pair_is_no_password_of_anybody_else(visitor: Visitor) -> None:
    password = LOGINS[ANA][0].partition(":")[2]
    for pair in (f"ben@example.com:{password}", f"api:{LOGINS[ANA][0]}", f"api:{password}", f"{ANA}:"):
        assert await whoami(visitor, "basic", basic(pair)) == 401


@pytest.mark.parametrize("provider", ["keyed", "bearer", "basic"])
async def test_things_name_their_owner_and_come_two_at_a_time(visitor: Visitor, provider: str) -> None:
    visitor.headers = headers(provider, ANA)
    pages = [(await visitor.get(f"/{provider}/things", offset=start)).json() for start in (0, 2)]
    things = [thing for page in pages for thing in page["things"]]
    assert {thing["owner"] for thing in things} == {ANA}
    assert (len(things), pages[0]["total"]) == (3, 3)
    assert (await visitor.get(f"/{provider}/things/{things[0]['id']}")).json() == things[0]
    visitor.headers = headers(provider, "ben@example.com")
    assert (await visitor.get(f"/{provider}/things/{things[0]['id']}")).status_code == 404


async def test_a_thing_is_added_for_whoever_asked(visitor: Visitor, sandbox: Sandbox) -> None:
    visitor.headers = headers("bearer", "ben@example.com")
    made = await visitor.post("/bearer/things", {"name": "A lamp"})
    assert (made.status_code, made.json()["owner"], made.json()["name"]) == (201, "ben@example.com", "A lamp")
    assert sandbox.providers["bearer"].counters.posted == [made.json()]
    bodies: tuple[Any, ...] = ("x", {}, ["name"])
    for unusable in bodies:
        assert (await visitor.post("/bearer/things", unusable)).status_code == 422


@pytest.mark.parametrize("provider", ["keyed", "bearer", "basic"])
async def test_secrets_are_revoked_one_or_all_and_come_back_with_a_reset(
    visitor: Visitor, sandbox: Sandbox, provider: str
) -> None:
    books = sandbox.providers[provider]
    assert books.revoke(grant=books.grants(ANA)[0].id) == 1
    assert await whoami(visitor, provider, headers(provider, ANA)) == 401
    assert await whoami(visitor, provider, headers(provider, ANA, 1)) == ANA
    assert books.revoke(ANA) == 1
    assert await whoami(visitor, provider, headers(provider, ANA, 1)) == 401
    assert await whoami(visitor, provider, headers(provider, "ben@example.com")) == "ben@example.com"
    assert books.counters.api_refused == {"revoked": 2}
    sandbox.reset()
    assert await whoami(visitor, provider, headers(provider, ANA)) == ANA


async def test_what_is_seen_names_the_owner_and_never_shows_the_secret(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    await whoami(visitor, "keyed", headers("keyed", ANA))
    seen = sandbox.providers["keyed"].counters
    assert seen.last["api"].account == ANA
    assert KEYS[ANA][0] not in str(seen.as_json())
