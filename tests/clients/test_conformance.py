"""The official conformance runner, both lines of it: what applies passes, the rest is listed with why."""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests.clients.node import Node
from tests.clients.processes import environment, run
from tests.clients.serving import without_a_door

pytestmark = pytest.mark.npm
LISTED = tomllib.loads(Path(__file__).with_name("conformance.toml").read_text())
FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT")
PASSED, HARMLESS = "SUCCESS", {"SUCCESS", "INFO", "SKIPPED"}


@dataclass(frozen=True)
class Check:
    """One check of a scenario, and how it came out."""

    run: str
    scenario: str
    name: str
    status: str
    told: str

    def __str__(self) -> str:
        return f"{self.run}: {self.scenario}/{self.name}: {self.status} {self.told}"

    @property
    def entries(self) -> set[str]:
        """What conformance.toml may call it."""
        return {self.scenario, f"{self.scenario}/{self.name}"}


async def checks(node: Node, name: str, url: str, out: Path) -> list[Check]:
    """Run one line of the runner against a server, and read what it wrote."""
    which = LISTED["runs"][name]
    command = [*node.command(which["script"]), "server", "--url", f"{url}/mcp", *which["arguments"]]
    ended = await run([*command, "-o", str(out / "checks")], environment(out), out)
    assert "Total:" in ended.out, ended.err
    return [check for folder in sorted((out / "checks").iterdir()) for check in written(name, folder)]


def written(run_name: str, folder: Path) -> Iterator[Check]:
    found = FOLDER.match(folder.name)
    assert found, folder
    for one in json.loads((folder / "checks.json").read_text()):
        yield Check(run_name, found[1], one["id"], one["status"], one.get("errorMessage") or "")


def unexplained(found: Sequence[Check]) -> list[str]:
    """Checks that fail and have no reason to."""
    return [str(check) for check in found if check.status not in HARMLESS and not check.entries & reasons()]


def stale(found: Sequence[Check]) -> list[str]:
    """Reasons for what does not fail, or is not there."""
    needed = {entry for check in found if check.status not in {PASSED, "INFO"} for entry in check.entries}
    return [f"{entry} is fine: take it out of conformance.toml" for entry in sorted(reasons() - needed)]


def not_passed(found: Sequence[Check]) -> list[str]:
    """Scenarios that apply, and of which nothing passed."""
    passed = {(check.run, check.scenario) for check in found if check.status == PASSED}
    applies = {(name, one) for name, about in LISTED["runs"].items() for one in about["applies"]}
    return [f"{name}: nothing of {one} passed" for name, one in sorted(applies - passed)]


def reasons() -> set[str]:
    return {entry for entries in LISTED["does_not_apply"].values() for entry in entries}


async def test_what_applies_passes_and_what_does_not_is_listed_with_its_reason(
    tmp_path: Path, node: Node
) -> None:
    found: list[Check] = []
    with anyio.fail_after(120):
        for name in LISTED["runs"]:
            place = tmp_path / re.sub(r"\W+", "-", name)
            place.mkdir()
            async with without_a_door(place) as url:  # one for each run: all of its sessions are Ana's
                found += await checks(node, name, url, place)
    wrong = [*unexplained(found), *stale(found), *not_passed(found)]
    assert not wrong, "\n".join(wrong)
