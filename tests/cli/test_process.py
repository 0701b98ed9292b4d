"""What a process of ours asks of the operating system, seen from outside it."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import VALETKEY
from valetkey.settings import FILE

LOOKS = "import resource, sys; from valetkey.cli.process import {0}; {0}(); sys.stdout.write(str({1}))"


def ran(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run a process of its own, and return what it wrote."""
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def looked(function: str, at: str) -> str:
    """Call a function in a process of its own, and look at something there."""
    return ran([sys.executable, "-c", LOOKS.format(function, at)])


def test_no_command_writes_a_core_file(environment: dict[str, str]) -> None:
    command = f"ulimit -c unlimited 2>/dev/null; exec {sys.executable} -c '{{}}'"
    code = (
        'import resource, sys, valetkey.cli as cli; sys.argv[1:] = ["version"]\n'
        "try: cli.main()\n"
        "except SystemExit: print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert "(0, 0)" in ran(["sh", "-c", command.format(code)], environment)


def test_a_server_may_open_as_many_files_as_its_account_may() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = int(looked("room_for_sockets", "resource.getrlimit(resource.RLIMIT_NOFILE)[0]"))
    assert soft == resource.RLIM_INFINITY or soft >= min(hard, 65_536)


GROWN = """
import threading, psutil
from valetkey.cli.process import memory_given_back
from valetkey.people.passwords import Passwords
memory_given_back()
passwords, process = Passwords(bytes), psutil.Process()
before = process.memory_info().rss
for _ in range(4):
    thread = threading.Thread(target=passwords._hash, args=("correct horse battery",))
    thread.start()
    thread.join()
print(process.memory_info().rss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give memory back in ways of their own")
def test_the_memory_that_a_password_takes_is_given_back() -> None:
    assert int(ran([sys.executable, "-c", GROWN])) < 8 << 20, "each of them takes 19 MiB"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has this")
def test_a_process_without_onlookers_cannot_be_dumped() -> None:
    assert looked("no_onlookers", "__import__('ctypes').CDLL(None).prctl(3, 0, 0, 0, 0)") == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has this")
def test_the_setting_closes_each_command(home: Path, environment: dict[str, str]) -> None:
    subprocess.run([VALETKEY, "people", "list"], env=environment, check=True, capture_output=True)
    (home / FILE).write_text("traceable = false\n")
    code = (
        "import ctypes, sys; from valetkey.cli.house import settings; settings();"
        "sys.stdout.write(str(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)))"
    )
    assert ran([sys.executable, "-c", code], environment) == "0"
