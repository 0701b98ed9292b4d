"""Token exchange without a grant: no token, but a link behind which the person can allow it."""

import pytest

from tests.authserver.exchanging import ana, here, triage
from tests.support.agents import exchanged, given
from tests.support.town import Town
from valetkey.errors import OAuthError
from valetkey.needs import AccessRequest
from valetkey.people import Agent, Person

__all__ = ["ana", "here", "triage"]  # fixtures


async def refused(here: Town, agent: Agent, person: Person, **form: str) -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        await exchanged(here, agent, await here.token(person, "assistant"), **form)
    return raised.value


async def asked(here: Town, refusal: OAuthError) -> AccessRequest:
    """The request behind the link of a refusal."""
    assert refusal.more["link"] == refusal.more["error_uri"]
    assert refusal.more["link"].startswith(f"{here.url}/connect/")
    return await here.house.requests.by_handle(refusal.more["link"].rpartition("/")[2])


async def test_the_refusal_has_a_link_for_the_tools_that_were_named(
    here: Town, ana: Person, triage: Agent
) -> None:
    refusal = await refused(here, triage, ana, tools="gmail.list_unread slack.post_message")
    assert refusal.error == "access_denied"
    request = await asked(here, refusal)
    assert (request.principal, request.actor) == (ana.principal, triage.id)
    assert request.tools == ("gmail.list_unread", "slack.post_message")


async def test_without_names_it_is_for_all_that_read_what_is_connected(here: Town, triage: Agent) -> None:
    eve = await here.newcomer()
    await here.connected(eve)
    request = await asked(here, await refused(here, triage, eve))
    assert {name.partition(".")[0] for name in request.tools} == {"gmail"}
    assert "gmail.list_unread" in request.tools
    assert "gmail.send_message" not in request.tools


async def test_asking_again_brings_the_same_link(here: Town, ana: Person, triage: Agent) -> None:
    first, again = [await refused(here, triage, ana, tools="gmail.list_unread") for _ in range(2)]
    assert first.more == again.more


@pytest.mark.parametrize("tools", ["", "gmail.no_such_tool", "gmail.list_unread x", "x " * 31])
async def test_what_cannot_be_asked_for_brings_no_link(
    here: Town, ana: Person, triage: Agent, tools: str
) -> None:
    refusal = await refused(here, triage, ana, tools=tools)
    assert (refusal.error, refusal.more) == ("access_denied", {})


async def test_a_grant_of_somebody_else_is_none_for_this_person(
    here: Town, ana: Person, triage: Agent
) -> None:
    await given(here, await here.newcomer(), triage)
    assert (await refused(here, triage, ana, tools="gmail.list_unread")).error == "access_denied"
