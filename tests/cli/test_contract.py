"""What scripts rely on, of the real command in a process of its own: names, streams, exit codes."""

import subprocess
import sys

import pytest

from tests.cli.conftest import VALETKEY


def run(environment: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [VALETKEY, *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_token_alone_goes_to_stdout(environment: dict[str, str]) -> None:
    added = run(environment, "people", "add", "ana")
    assert added.stdout.startswith("http://localhost:8917/join/")
    assert added.stdout.count("\n") == 1
    minted = run(environment, "tokens", "mint", "--principal", "ana", "--actor", "triage")
    assert minted.returncode == 0
    assert "http://localhost:8917" in minted.stderr  # where no server has run yet
    assert minted.stdout.strip().count(".") == 2
    assert len(minted.stdout.split()) == 1


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (1, ("tokens", "mint", "--principal", "nobody", "--actor", "triage")),
        (2, ("tokens", "mint", "--principal", "ana")),
        (78, ("serve", "--host", "0.0.0.0")),
    ],
)
def test_an_error_is_a_sentence_on_stderr_and_an_exit_code(
    environment: dict[str, str], code: int, arguments: tuple[str, ...]
) -> None:
    ended = run(environment, *arguments)
    assert ended.returncode == code
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert ended.stderr


def test_the_secret_of_a_registration_comes_from_stdin(environment: dict[str, str]) -> None:
    arguments = ("registrations", "add", "google", "--name", "my-gmail", "--client-id", "id")
    added = run(environment, *arguments, "--client-secret-stdin", stdin="s3cret\n")
    assert added.stdout == "http://localhost:8917/callback/my-gmail\n"
    assert "s3cret" not in added.stdout + added.stderr


def test_nothing_of_the_house_is_imported_to_print_the_version_or_the_help() -> None:
    for argument in ("version", "--help"):
        code = (
            "import sys; from valetkey.cli import main; sys.argv = ['valetkey', sys.argv[1]]\n"
            "try: main()\n"
            "finally: assert not {'mcp', 'aiohttp', 'valetkey.manifest'} & set(sys.modules)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code, argument], capture_output=True, timeout=60, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, b"")


def test_what_is_piped_has_no_colours_and_is_cut_nowhere(environment: dict[str, str]) -> None:
    run(environment, "people", "add", "a" * 60)
    shown = run(environment | {"COLUMNS": "20"}, "people", "list").stdout
    assert "a" * 60 in shown
    assert "\x1b" not in shown
