"""The Dockerfile: that what it names is there, and that its image is not root, healthy and stoppable.

Nothing is built here. What it comes to is run in tests/deploy/test_confined.py.
"""

import re
import sys
import tomllib
from pathlib import Path

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.clients.serving import served
from tests.deploy.dockerfile import instructions, last_stage
from tests.docs.test_snippets import exists
from tests.laws.source import ROOT
from tests.support.town import town
from valetkey.assemble import DEFAULT_PORT
from valetkey.serving import listen

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
NAME = re.compile(r"^[a-zA-Z0-9-]+")
IN_THE_IMAGE = ("aws", "openbao", "postgres")
"""The extras. A desktop's keyring is nowhere in a container."""


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / lock).read_text()))


def test_what_is_copied_is_there_and_let_in() -> None:
    let_in = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    ]
    copied = [one.text.split()[:-1] for one in instructions() if one.word == "COPY"]
    ours = [path for paths in copied if not paths[0].startswith("--from") for path in paths]
    assert ours
    for path in ours:
        assert (ROOT / path).exists(), path
        assert any(Path(path).match(pattern) for pattern in let_in), f"{path} is kept out by .dockerignore"


def test_nothing_comes_in_that_was_not_let_in() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in {"", "#"}]
    assert lines[0] == "*"


def test_every_stage_begins_at_the_same_python() -> None:
    assert {one.text.split()[0] for one in instructions() if one.word == "FROM"} == {"python:${PYTHON}"}
    (default,) = (one.text for one in instructions() if one.word == "ARG")
    minor = default.removeprefix("PYTHON=").split("-")[0]
    assert tuple(map(int, minor.split("."))) >= (3, 11)


def test_every_library_comes_by_its_hash() -> None:
    installs = [
        command
        for one in instructions()
        if one.word == "RUN"
        for command in one.text.split("&&")
        if re.search(r"pip .*\binstall\b", command)
    ]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes --only-binary :all:" in command or "--no-index --no-deps" in command, command


@pytest.mark.parametrize("lock", ["deploy/build.lock", "deploy/requirements.lock"])
def test_the_image_has_what_the_tests_ran_with(lock: str) -> None:
    whole = pins("requirements.lock")
    assert {name: version for name, version in pins(lock).items() if whole.get(name) != version} == {}, (
        "make lock"
    )


def test_the_image_has_every_library_that_the_wheel_needs() -> None:
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in IN_THE_IMAGE for line in project["optional-dependencies"][extra]),
    ]
    missing = {NAME.match(line)[0] for line in wanted} - pins("deploy/requirements.lock").keys()  # type: ignore[index]  # a requirement begins with a name
    assert missing == set(), "make lock"
    assert set(project["optional-dependencies"]) - set(IN_THE_IMAGE) == {"keyring"}
    assert PROJECT["build-system"]["requires"] == PROJECT["dependency-groups"]["build"]


def test_it_does_not_run_as_root() -> None:
    user, _, group = last_stage()["USER"].text.partition(":")
    assert int(user) > 0, "a number, so that an orchestrator can tell"
    assert int(group) > 0


def test_it_starts_a_server_that_exists() -> None:
    said = last_stage()
    (command,) = said["ENTRYPOINT"].exec_form
    assert command in PROJECT["project"]["scripts"]
    assert exists(" ".join([command, *said["CMD"].exec_form]))
    assert said["EXPOSE"].text == str(DEFAULT_PORT)


async def is_healthy(port: int) -> bool:
    command = last_stage()["HEALTHCHECK"].exec_form
    assert command[0] == "python"
    here = [sys.executable, *(part.replace(str(DEFAULT_PORT), str(port)) for part in command[1:])]
    assert here[1:] != command[1:], "it asks at the port that is served"
    with anyio.fail_after(30):
        return (await anyio.run_process(here, check=False)).returncode == 0


async def test_a_server_that_is_well_is_healthy(tmp_path: Path) -> None:
    listener = listen("127.0.0.1", 0)
    async with town(tmp_path, listener=listener, clients=()):
        assert await is_healthy(listener.getsockname()[1])


async def test_a_server_that_says_it_is_not_well_is_believed() -> None:
    async def unwell(_: Request) -> Response:
        return Response(status_code=503)

    listener = listen("127.0.0.1", 0)
    async with served(Starlette(routes=[Route("/{path:path}", unwell)]), listener):
        assert not await is_healthy(listener.getsockname()[1])


async def test_it_is_not_healthy_where_nobody_serves() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    assert not await is_healthy(port)


def test_a_stop_is_a_signal_that_the_server_heeds() -> None:
    assert last_stage()["STOPSIGNAL"].text == "SIGTERM"


def test_the_home_is_the_one_place_that_is_written() -> None:
    said = last_stage()
    assert f"VALETKEY_HOME={said['VOLUME'].text}" in said["ENV"].text
    assert "PYTHONDONTWRITEBYTECODE=1" in said["ENV"].text
