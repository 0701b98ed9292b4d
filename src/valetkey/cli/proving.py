"""A person at the operator's command line: what only they can allow takes their password there, too."""

import sys
from getpass import getpass
from typing import TYPE_CHECKING

from valetkey.cli.house import act
from valetkey.errors import UsageError
from valetkey.model import Principal

if TYPE_CHECKING:
    from valetkey.assemble import House


async def prove(house: "House", principal: Principal, page: str, *, from_stdin: bool) -> None:
    """Ask for a person's password. `page` is where they can do the same themselves.

    Raises UsageError when it is wrong, or they have none; PageError after too many wrong ones.
    """
    person = await house.accounts.get(house.ground.store, principal)
    if not person.has_password:
        raise UsageError(f"{person.name} has no password here; they do this themselves at {page}")
    if not await house.accounts.confirm(principal, _typed(person.name, from_stdin=from_stdin)):
        await house.ground.audit.note(act("person.sign_in_failed", principal))
        raise UsageError(f"this is not the password of {person.name}; nothing was changed")


def _typed(name: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("this is no terminal to ask for a password on: pass --password-stdin")
    return getpass(f"Password of {name}: ", stream=sys.stderr)
