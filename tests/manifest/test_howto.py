"""The connector in the how-to is a real one: it loads, and what the page says of it holds."""

import json
import re
from pathlib import Path

from tests.laws.source import ROOT
from tests.manifest.demo import written
from tests.manifest.recorder import Answer, upstream
from valetkey.calls.run import run
from valetkey.manifest import Catalog, check

PAGE = (ROOT / "docs" / "howto" / "add-a-connector.md").read_text("utf-8")
MANIFEST = "\n".join(re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1:])
EXAMPLE = json.loads(next(iter(re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))))


async def test_the_how_to_s_connector_loads_and_its_example_replays(tmp_path: Path) -> None:
    acme = Catalog.load([written(tmp_path, MANIFEST)]).connectors["acme"]
    assert sorted(acme.tools) == ["list_tickets", "reply"]
    [exchange] = EXAMPLE["exchanges"]
    tool = acme.tools[EXAMPLE["tool"]]
    async with upstream("https://api.acme.example", lambda _: Answer(exchange["response"])) as (
        recorder,
        way,
    ):
        assert await run(tool, tool.check(EXAMPLE["args"]), way) == EXAMPLE["result"]
    [request] = recorder.received
    assert f"{request.method} {request.path}" == exchange["request"].replace(" ", " /v2")
    assert dict(request.query) == exchange["query"]


def test_the_how_to_s_mistake_is_answered_as_it_says(tmp_path: Path) -> None:
    head, tool = MANIFEST.split("[tools.reply]")
    broken = written(tmp_path, f"{head}[tools.reply]{tool.replace('effect ', 'efect ')}")
    said = re.search(r"manifest\.toml: (tools\.reply\.efect: .*)", PAGE)
    assert said is not None
    assert said[1] in str(check(broken)[0])
