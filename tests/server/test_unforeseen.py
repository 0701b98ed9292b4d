"""What nobody foresaw: the text of such an error may hold anything, and goes nowhere."""

import logging
from collections.abc import AsyncIterator

import pytest
from mcp.shared.exceptions import MCPError

from tests.support.town import Town
from tests.support.wire import ELICITS

SECRET = "canary-of-this-test"
TOOL = "notes.list_notes"


@pytest.fixture
async def broken(here: Town) -> AsyncIterator[Town]:
    """A town where no access request can be made, for a reason that says more than it should."""
    store = here.house.ground.store
    async with store.transaction() as tx:
        await tx.run(
            "CREATE TRIGGER broken BEFORE INSERT ON access_requests "
            f"BEGIN SELECT RAISE(ABORT, '{SECRET}'); END"
        )
    yield here
    async with store.transaction() as tx:
        await tx.run("DROP TRIGGER broken")


async def test_a_client_of_either_era_learns_that_something_went_wrong_and_no_more(
    broken: Town, caplog: pytest.LogCaptureFixture
) -> None:
    token = await broken.token(await broken.newcomer())
    async with broken.wire(token, ELICITS) as modern:
        answer = await modern.call(TOOL, {})
    async with broken.client(token, mode="legacy") as legacy:
        with pytest.raises(MCPError) as refused:
            await legacy.call_tool(TOOL, {})
    for message in (answer["error"]["message"], refused.value.error.message):
        assert message == "Something went wrong here, and the operator's log says where."
    assert SECRET not in caplog.text


async def test_the_log_says_what_kind_of_error_it_was_and_where(
    broken: Town, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with broken.wire(await broken.token(await broken.newcomer())) as agent:
            await agent.call(TOOL, {})
    lines = [one.getMessage() for one in caplog.records if one.name == "valetkey.server.unforeseen"]
    assert len(lines) == 1
    assert lines[0].startswith("a request failed: IntegrityError at ")
