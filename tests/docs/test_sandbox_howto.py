"""The switches in the how-to of the sandbox turn, as they are typed there."""

import json
import re

import anyio
import httpx2

from tests.docs.pages import page
from valetkey.model import SystemClock
from valetkey.sandbox import Sandbox, running

CURL = re.compile(r"^curl -s http://127\.0\.0\.1:4101(\S+)(?: -d '(.*)')?$", re.MULTILINE)


async def test_every_switch_of_the_how_to_turns() -> None:
    told = CURL.findall("".join(page("docs/howto/try-the-sandbox.md").snippets("sh")))
    assert len(told) == 6
    with anyio.fail_after(10):
        async with running(Sandbox(SystemClock())) as url, httpx2.AsyncClient(trust_env=False) as http:
            for path, body in told:
                reply = await (http.post(url + path, content=body) if body else http.get(url + path))
                assert reply.status_code == 200, (path, reply.text)
                assert isinstance(json.loads(reply.text), dict)
