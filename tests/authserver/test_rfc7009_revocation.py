"""A client gives back what is its own, and nothing else."""

from tests.authserver.issuing import ANA, Issuing
from valetkey.model import HOUR, MINUTE


async def test_giving_back_either_token_ends_the_session_at_once(desk: Issuing) -> None:
    claude = await desk.client()
    for name in ("refresh_token", "access_token"):
        pair = await desk.signed_in(claude)
        for hint in ("access_token", "refresh_token", "something_else"):
            form = {"token": pair[name], "token_type_hint": hint, "client_id": claude.id}
            assert (await desk.post("/revoke", form)).status_code == 200
        assert not await desk.lives(pair["access_token"])
        assert (await desk.refresh(pair["refresh_token"], claude)).status_code == 400
    assert await desk.kinds() == ["token.revoked"] * 2


async def test_a_refresh_token_that_was_used_still_gives_its_session_back(desk: Issuing) -> None:
    claude = await desk.client()
    pair = await desk.signed_in(claude)
    after = (await desk.refresh(pair["refresh_token"], claude)).json()
    form = {"token": pair["refresh_token"], "client_id": claude.id}
    assert (await desk.post("/revoke", form)).status_code == 200
    assert not await desk.lives(after["access_token"])


async def test_what_is_no_token_of_ours_is_as_good_as_revoked(desk: Issuing) -> None:
    claude = await desk.client()
    pair = await desk.signed_in(claude)
    for token in ("made-up", "a.b.c", pair["refresh_token"][:-1], pair["access_token"][:-4], "é"):
        answer = await desk.post("/revoke", {"token": token, "client_id": claude.id})
        assert (answer.status_code, answer.json()) == (200, {})
    assert await desk.lives(pair["access_token"])
    assert await desk.kinds() == []


async def test_another_clients_token_is_not_given_back(desk: Issuing) -> None:
    claude, other = await desk.client("claude"), await desk.client("other")
    pair = await desk.signed_in(claude)
    for token in (pair["access_token"], pair["refresh_token"]):
        refused = await desk.post("/revoke", {"token": token, "client_id": other.id})
        assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
        assert token not in refused.text
    assert await desk.lives(pair["access_token"])


async def test_nobody_gives_back_without_being_a_client(desk: Issuing) -> None:
    pair = await desk.signed_in(await desk.client())
    for form in ({}, {"client_id": "nobody"}):
        refused = await desk.post("/revoke", {"token": pair["access_token"], **form})
        assert refused.status_code in {400, 401}
    assert await desk.lives(pair["access_token"])


async def test_one_install_gives_back_its_own_session_alone(desk: Issuing) -> None:
    claude = await desk.client()
    laptop, desktop = await desk.signed_in(claude), await desk.signed_in(claude)
    await desk.post("/revoke", {"token": laptop["refresh_token"], "client_id": claude.id})
    assert await desk.lives(desktop["access_token"])


async def test_what_was_got_in_exchange_ends_with_what_it_was_got_for(desk: Issuing) -> None:
    claude = await desk.client()
    pair = await desk.signed_in(claude)
    parent = desk.tokens.verified(pair["access_token"]).sid
    async with desk.store.transaction() as tx:
        child = await desk.sessions.start_exchanged(
            tx,
            ANA,
            "agt_other",
            HOUR,
            chain=(claude.id,),
            scopes=("mcp",),
            away=False,
            resource=None,
            parent=parent,
            under="grt_1",
        )
    await desk.post("/revoke", {"token": pair["refresh_token"], "client_id": claude.id})
    assert await desk.sessions.read(child.id) is None


async def test_a_token_that_is_over_is_not_an_error(desk: Issuing) -> None:
    claude = await desk.client()
    pair = await desk.signed_in(claude)
    desk.clock.advance(11 * MINUTE)
    answer = await desk.post("/revoke", {"token": pair["access_token"], "client_id": claude.id})
    assert answer.status_code == 200
