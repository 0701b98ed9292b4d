"""Our side: a whole house with one person, one agent, one connection and one grant, serving."""

from pathlib import Path

from benchmarks.residents import furnish, made_up, moved_in, settings_text
from valetkey.assemble import opened
from valetkey.serving import listen, serve
from valetkey.settings import load

TOKEN_FILE = "token"  # noqa: S105 - where the token is put for the load, not a token


async def main(port: int, upstream: str, count: str, place: str) -> None:
    """Serve `count` tools until the process is ended; when all is ready, the token is left in the home."""
    home = Path(place)
    furnish(home, int(count), settings_text(upstream, None))
    async with opened(load(home), public_url=f"http://localhost:{port}") as house:
        (resident,) = await moved_in(house, ["ana"], made_up())
        await serve(house, [listen("127.0.0.1", port)], lambda: say(home / TOKEN_FILE, resident.token))


def say(file: Path, token: str) -> None:
    """Leave the token where the load looks for it."""
    file.write_text(token)
