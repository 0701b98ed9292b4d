"""The systemd unit: that systemd understands it, that it confines, and that it fits the program."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.proxies import DEPLOY, program
from tests.docs.test_snippets import exists
from valetkey.serving.running import _GRACE_SECONDS

UNIT = DEPLOY / "valetkey.service"
MOST = 15
"""Tenths of what `systemd-analyze security` calls exposure: a service as it comes has 96, and 20 is *OK*."""


def told(key: str) -> list[str]:
    """The values of a key, in order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def analyzed(*command: str, unit: Path) -> subprocess.CompletedProcess[str]:
    """What systemd says of a unit, without running it."""
    return subprocess.run(
        [program("systemd-analyze"), *command, str(unit)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The unit with a program that is on this machine."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/valetkey/bin/", f"{Path(sys.executable).parent}/"))
    return unit


@pytest.mark.systemd
def test_systemd_understands_every_line(here: Path) -> None:
    found = analyzed("verify", unit=here)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.systemd
def test_it_exposes_little(here: Path) -> None:
    found = analyzed("security", "--offline=true", f"--threshold={MOST}", "--no-pager", unit=here)
    assert found.returncode == 0, found.stdout[-200:]


def test_it_starts_a_server_that_exists() -> None:
    (command,) = told("ExecStart")
    assert exists(command.removeprefix("/opt/valetkey/bin/"))


def test_its_home_is_the_state_that_it_may_write() -> None:
    (home,) = told("Environment")
    assert home == f"VALETKEY_HOME=/var/lib/{told('StateDirectory')[0]}"
    assert told("StateDirectoryMode") == ["0700"]
    assert told("ProtectSystem") == ["strict"]
    assert told("User") not in ([], ["root"])


def test_a_stop_leaves_time_for_what_is_under_way() -> None:
    (seconds,) = told("TimeoutStopSec")
    assert int(seconds.removesuffix("s")) >= _GRACE_SECONDS + 10


def test_what_no_restart_mends_is_not_restarted() -> None:
    assert told("Restart") == ["on-failure"]
    assert told("RestartPreventExitStatus") == ["78"]


def test_commands_can_speak_to_the_server() -> None:
    assert told("RestrictAddressFamilies") == ["AF_INET AF_INET6 AF_UNIX"]
