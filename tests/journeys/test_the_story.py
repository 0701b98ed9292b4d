"""Ana asks her agent to read Ben's mail and post a summary. She has connected nothing."""

from pathlib import Path

import anyio

from tests.support.town import town

UNREAD = {"limit": 5, "from": "ben@example.com"}


async def test_the_call_that_found_no_connection_returns_the_mail(tmp_path: Path) -> None:
    with anyio.fail_after(30):
        async with town(tmp_path) as here:
            ana = await here.person("ana")
            yes = here.approving("ana", "ana@example.com")
            async with here.client(await here.token(ana), yes) as agent:
                mail = await agent.call_tool("gmail.list_unread", UNREAD)
                assert mail.structured_content is not None
                assert len(mail.structured_content["items"]) == 5
                summary = {"channel": "C0SUPPORT2", "text": "Five mails from Ben."}
                posted = await agent.call_tool("slack.post_message", summary)
                assert not posted.is_error, posted.content
            assert len(here.links) == 2
            assert [message["text"] for message in here.sandbox.slack.counters.posted] == [summary["text"]]
