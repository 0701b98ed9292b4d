"""`valetkey serve`: the server, and what its first start on a new home makes and says."""

from contextlib import ExitStack
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import account, run, settings
from valetkey.cli.output import say, when
from valetkey.cli.passphrase import PassphraseFd, somebody
from valetkey.cli.people import new_person
from valetkey.cli.process import memory_given_back, room_for_sockets

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.people import Person
    from valetkey.settings import Settings
    from valetkey.vault.sources.passphrase import Passphrases

_PORT = 8917  # assemble's DEFAULT_PORT, which a test compares: importing it would make --help slow


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = _PORT,
    public_url: Annotated[
        str | None,
        typer.Option(
            help="Where people and clients reach it; better set in valetkey.toml.",
            show_default="http://localhost:PORT",
        ),
    ] = None,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Serve agents at /mcp, and people at their pages.

    The first start makes VALETKEY_HOME with settings, key and store, and prints
    the owner's invitation link. Keep a copy of the file `key` somewhere else:
    without it the store cannot be opened.

    Example:
      valetkey serve
      valetkey serve --host 0.0.0.0 --public-url https://valetkey.example.com

    Then:
      valetkey registrations add google --client-id …
    """
    from valetkey.serving import public_url as reached
    from valetkey.settings import reached_at

    room_for_sockets()
    memory_given_back()
    chosen = settings()
    if public_url is not None:
        chosen = reached_at(chosen, public_url)
    reached(chosen, host, port)  # refuses an address beyond this machine before it is listened on
    listeners = _listen_now(chosen, host, port)
    if listeners:
        port = listeners[0].getsockname()[1]
    with ExitStack() as open_listeners:
        for one in listeners:
            open_listeners.enter_context(one)
        asked = somebody(passphrase_fd)
        run(partial(_serve, chosen, listeners, (host, port), reached(chosen, host, port), asked))


def _listen_now(chosen: "Settings", host: str, port: int) -> list[socket]:
    """Listen before anything is made; nothing: the port is taken, maybe by a process of this home."""
    from valetkey.errors import SettingsError
    from valetkey.serving import listen_at

    try:
        return listen_at(host, port)
    except SettingsError:
        if chosen.store is None and not chosen.store_file.exists():  # nobody else runs on this home
            raise
        return []


async def _serve(
    chosen: "Settings", listeners: list[socket], address: tuple[str, int], url: str, asked: "Passphrases"
) -> None:
    from valetkey.assemble import opened
    from valetkey.serving import listen_in_turn, refuse_second
    from valetkey.serving import serve as serve_house
    from valetkey.serving.logs import set_up

    set_up(chosen.logs)
    with ExitStack() as stack:
        mine = [stack.enter_context(one) for one in listeners]  # let go of, too, where no house opens
        async with opened(chosen, public_url=url, passphrases=asked) as house:
            house.ground.gate.refuse_to_serve()
            await refuse_second(house)
            mine = mine or [stack.enter_context(one) for one in await listen_in_turn(house, *address)]
            lines = [_where(house, mine[0]), *_asleep(house), *_overrides(house), *await _welcome(house)]
            await serve_house(house, mine, lambda: say("\n".join(lines)))


async def _welcome(house: "House") -> list[str]:
    """What to do next; where there is nobody yet, the owner is added first."""
    registered = await house.connections.registrations.all(house.ground.store)
    return (
        await _owner(house)
        + ([] if registered else [_REGISTER])
        + [_ATTACH.format(url=house.ground.public_url)]
    )


def _where(house: "House", listener: socket) -> str:
    host, port = listener.getsockname()[:2]
    url, home = house.ground.public_url, house.ground.settings.home
    return f"Valetkey serves {url}/mcp from {home}; it listens on {host}:{port}. Ctrl-C stops it."


def _asleep(house: "House") -> list[str]:
    """A copy that is not the live one serves its pages, and acts for nobody."""
    gate = house.ground.gate
    return [f"IT ACTS FOR NOBODY: {gate.asleep()}. `valetkey store activate`"] if gate.reason else []


def _overrides(house: "House") -> list[str]:
    hosts = house.ground.settings.hosts
    loud = ["TRYING OUT: what is meant for providers goes to this machine:"] if hosts else []
    return loud + [f"  {origin} -> {target}" for origin, target in hosts.items()]


async def _owner(house: "House") -> list[str]:
    from valetkey.people import valid_name

    async with house.ground.store.transaction() as tx:
        everybody = await house.accounts.all(tx)
        if not everybody:
            name = valid_name(account())
            link = await new_person(house, tx, name)
            return [
                "",
                f"You are its owner, `{name}`. Choose a password here; the link works once, for seven days:",
                f"  {link}",
            ]
    return [await _to_join(house, person) for person in everybody if person.owner and not person.joined]


async def _to_join(house: "House", owner: "Person") -> str:
    """To invite them anew would end the link that they have."""
    sql = "SELECT MAX(until) AS until FROM invitations WHERE subject = $1 AND used IS NULL AND until > $2"
    row = await house.ground.store.one(sql, owner.subject, house.ground.clock.now())
    if row and row["until"]:
        good = f"their invitation works until {when(row['until'])}"
        return f"Its owner, `{owner.name}`, has not joined yet: {good}."
    return f"Its owner has not joined yet: `valetkey people invite {owner.name}` prints a link."


_REGISTER = """
No client at a provider yet. Next:
  valetkey registrations add google --client-id …"""
_ATTACH = """
To attach an agent whose client signs in by itself, such as Claude Code:
  claude mcp add --transport http valetkey {url}/mcp
Others: `valetkey clients`, or a token by `valetkey tokens mint`."""
