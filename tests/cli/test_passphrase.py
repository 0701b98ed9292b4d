"""The root key of real processes: a passphrase typed at a real terminal, a variable that a child inherits."""

import base64
import sqlite3
import sys
from pathlib import Path
from subprocess import DEVNULL

import anyio

from tests.cli.conftest import VALETKEY, Cli
from tests.clients.pseudo_terminal import PseudoTerminal, at_a_terminal
from valetkey.settings import FILE
from valetkey.vault.sources.handed import NAME

WORDS = "correct horse battery staple"
AS_A_SHELL_DOES = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Make the terminal the program's own: Ctrl-C there is a signal, and /dev/tty is it."""

SERVE = [sys.executable, "-S", "-c", AS_A_SHELL_DOES, str(VALETKEY), "serve", "--port", "0"]


def settings(home: Path, text: str) -> None:
    home.mkdir(mode=0o700)
    (home / FILE).write_text(text)
    (home / FILE).chmod(0o600)


async def asked(terminal: PseudoTerminal, question: str, words: str) -> None:
    await terminal.until(question)
    terminal.type(words)


async def test_it_is_typed_once_for_the_server_and_commands_get_the_key_from_there(
    cli: Cli, home: Path, environment: dict[str, str]
) -> None:
    settings(home, '[key]\nsource = "passphrase"\n')
    with anyio.fail_after(90):
        async with at_a_terminal(SERVE, environment, home) as terminal:
            await asked(terminal, "A new passphrase", WORDS)
            await asked(terminal, "Once more", WORDS)
            await terminal.until("Ctrl-C stops it")
            while not (home / NAME).exists():  # noqa: ASYNC110 - it opens beside what was just said
                await anyio.sleep(0.02)
            assert (home / NAME).stat().st_mode & 0o777 == 0o600
            listed = await anyio.to_thread.run_sync(cli, "people", "list")
            rotated = await anyio.to_thread.run_sync(cli, "keys", "rotate")
            assert (listed.code, rotated.code) == (0, 0), rotated.err
            assert "owner" in listed.out
            assert WORDS not in terminal.told
            terminal.type("\x03")
            await terminal.ended()
        refused = await anyio.to_thread.run_sync(cli, "people", "list")
        assert (refused.code, (home / NAME).exists()) == (78, False)
        await _refuses(home, environment, "correct horse battery stable")


async def _refuses(home: Path, environment: dict[str, str], words: str) -> None:
    """Another passphrase: the exit code says so, and no byte of the store has changed."""
    before = contents(home)
    async with at_a_terminal(SERVE, environment, home) as terminal:
        await asked(terminal, "Passphrase of this", words)
        await terminal.until("is not the key of this store")
        assert await terminal.ended() == 78
    assert contents(home) == before


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.glob("store.db*") if path.suffix != ".db-shm"}


async def test_the_server_that_stdio_starts_for_itself_has_the_variable_too(
    home: Path, environment: dict[str, str]
) -> None:
    settings(home, '[key]\nsource = "environment"\nvariable = "VALETKEY_TEST_KEY"\n')
    key = base64.b64encode(bytes(range(32))).decode()
    with anyio.fail_after(60):
        ended = await anyio.run_process(
            [VALETKEY, "stdio"], env={**environment, "VALETKEY_TEST_KEY": key}, stdin=DEVNULL, check=False
        )
    assert ended.returncode == 0, ended.stderr
    with sqlite3.connect(home / "store.db") as connection:
        (row,) = connection.execute("SELECT source FROM keks").fetchall()
    connection.close()
    assert row == ("environment",)


async def test_ctrl_c_ends_the_question_at_once(home: Path, environment: dict[str, str]) -> None:
    settings(home, '[key]\nsource = "passphrase"\n')
    with anyio.fail_after(60):
        async with at_a_terminal(SERVE, environment, home) as terminal:
            await terminal.until("A new passphrase")
            terminal.type("\x03")
            assert await terminal.ended() not in {0, None}
