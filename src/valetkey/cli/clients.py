"""`valetkey clients`: how a client is attached to this server. What is known of them is in `clients`."""

from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import in_house
from valetkey.cli.output import AsJson, dump, listed, say, tell, text
from valetkey.errors import UsageError
from valetkey.model import Json

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.clients import AgentClient

_TOKEN = "export VALETKEY_TOKEN=$(valetkey tokens mint --principal NAME --actor {name})"  # noqa: S105 - a command


def clients(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which one.", show_default="all")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print how a client is attached to this server.

    On stdout is the command or the content of its file, with this server's URL,
    and nothing else; where it goes, how it signs in, or gets a token, and
    its quirks are on stderr.
    Without a name it lists the clients that something is known about.

    Example:
      valetkey clients claude-code
      valetkey clients codex >> ~/.codex/config.toml
    """
    from valetkey.clients import known

    if name is None:
        _list(list(known().values()), as_json=as_json)
        return
    client = known().get(name)
    if client is None:
        raise UsageError(f"nothing is known of a client `{name}`; there are: {', '.join(known())}")
    about = _about(client, in_house(_public_url))
    if as_json:
        dump(about)
        return
    say(about["snippet"])
    tell(_notes(client))


async def _public_url(house: "House") -> str:
    return house.ground.public_url


def _list(found: "list[AgentClient]", *, as_json: bool) -> None:
    rows = [
        {key: value for key, value in _about(client, "").items() if key not in {"snippet", "url"}}
        for client in found
    ]
    columns = {"name": text, "title": text, "version": text, "seen": text, "links": text, "names": text}
    listed(rows, columns, as_json=as_json, empty="There is none.")


def _about(client: "AgentClient", public_url: str) -> dict[str, Json]:
    return {
        "name": client.name,
        "title": client.title,
        "version": client.version,
        "seen": client.seen.isoformat(),
        "measured": client.measured,
        "protocol": client.protocol,
        "links": client.links,
        "names": client.names,
        "url": client.url(public_url),
        "where": client.where,
        "language": client.language,
        "snippet": client.attached(public_url),
        "login": client.login,
        "token": client.token,
        "quirks": list(client.quirks),
    }


def _way_in(client: "AgentClient") -> list[str]:
    if client.login:
        return [f"Signing in: {client.login}"]
    return [f"A token: {_TOKEN.format(name=client.name)}", f"  {client.token}"]


def _notes(client: "AgentClient") -> str:
    from valetkey.clients import LINKS

    how = "measured" if client.measured else "reported"
    lines = [
        f"{client.title}: this goes into {client.where}.",
        *_way_in(client),
        f"Links: {LINKS[client.links]}.",
        f"What it does ({client.version}, {how}, {client.seen}):",
        *(f"- {quirk}" for quirk in client.quirks),
    ]
    return "\n".join(lines)
