"""`valetkey store`: which copy of the store this is, making it the live one, moving it to PostgreSQL."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import by_whom, in_house, run, settings
from valetkey.cli.output import AsJson, dump, say, tell, when
from valetkey.cli.passphrase import somebody
from valetkey.cli.progress import progress
from valetkey.errors import UsageError
from valetkey.model import Json

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.copies import Activated, Copy
    from valetkey.copies.checking import Check
    from valetkey.generation import Gate

app = typer.Typer(
    name="store", help="The store: which copy is the live one, and moving it.", no_args_is_help=True
)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Say which copy of the store this is, and whether it acts.

    It exits with 1 unless this is the live one.

    Example:
      valetkey store status

    Then:
      valetkey store activate
    """

    async def reading(house: "House") -> "Gate":
        return house.ground.gate

    gate, chosen = in_house(reading), settings()
    where = "the database of `store` in valetkey.toml" if chosen.store else str(chosen.store_file)
    if as_json:
        dump(_as_json(gate, where))
    else:
        say("\n".join(_sentences(gate, where)))
    if gate.reason:
        raise typer.Exit(1)


@app.command()
def activate(
    *,
    other: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="The other copy: its home, file or URL; retired.", show_default=False
        ),
    ] = None,
    yes_the_other_is_gone: Annotated[
        bool, typer.Option("--yes-the-other-is-gone", metavar="", help="Do not ask: no other copy runs.")
    ] = False,
    keep_standing: Annotated[
        bool,
        typer.Option("--keep-standing", metavar="", help="Agents go on while their people are away."),
    ] = False,
) -> None:
    """Make this copy of the store the live one.

    The other copy is retired first where it can be reached: a server on it
    stops within a second, and starts no more. Where it cannot be, you are asked:
    two copies that both refresh lose their connections at strict providers.

    Example:
      valetkey store activate
      valetkey store activate --other /srv/old-home
    """

    async def activating(house: "House") -> "Activated | None":
        from valetkey.copies.opening import of_ground

        copy, reason = of_ground(house.ground), house.ground.gate.reason
        if reason is None:
            return None
        return await _activated(copy, reason, other, sure=yes_the_other_is_gone, keep_standing=keep_standing)

    done = in_house(activating)
    if done is None:
        return tell("This is the live copy already; nothing was changed.")
    say(f"This copy is live: generation {done.now.number}, {done.now.id}.")
    if done.ended:
        say(
            f"It may be older than the last one: {done.ended.sessions} sessions and {done.ended.grants} "
            "standing grants were ended. Look at `valetkey grants list`, `agents list` and `people list`."
        )
    return None


async def _activated(
    copy: "Copy", reason: str, named: str | None, *, sure: bool, keep_standing: bool
) -> "Activated":
    from valetkey.copies import activated, reached, retired

    now = await copy.generations.read(copy.store)
    known = [place for place in (now.other, now.home) if place] if now else []
    async with reached(copy, [named] if named else known) as found:
        if named and not found:
            raise UsageError(f"{named}: no other copy of this store can be opened there; nothing was changed")
        if not found and not sure:
            _ask(reason)
        others = [await retired(other, str(copy.settings.home), by_whom()) for other in found]
    if others:
        tell("The other copy was reached, and is retired.")
    return await activated(copy, reason, others, by_whom(), keep_standing=keep_standing)


def _ask(reason: str) -> None:
    """Raises UsageError, unless somebody at the terminal says that no other copy runs."""
    from valetkey.generation import explained

    text = f"This copy is not used because {explained(reason)}. The other copy cannot be reached from here."
    if not sys.stdin.isatty():
        raise UsageError(f"{text} If it is gone for good, say --yes-the-other-is-gone; nothing was changed")
    tell(f"{text} If both are used, people lose their connections.")
    if not typer.confirm("Is the other copy gone, or stopped for good?", err=True):
        raise UsageError("nothing was changed; --other names where the other copy is")


@app.command()
def migrate(
    url: Annotated[str, typer.Argument(metavar="URL", help="postgresql://…, an empty database.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the embedded store of this home into PostgreSQL.

    Stop the servers of this home first. Killed or failed, run it again: it goes
    on where it was. In the end the two are compared, and every record of the
    copy is opened. A password can stay out of the URL: put it in ~/.pgpass.

    Example:
      valetkey store migrate postgresql://valetkey@db.internal/valetkey

    Then:
      set `store` in valetkey.toml, and `valetkey store activate`
    """
    from valetkey.copies import migrated

    chosen = settings()
    if chosen.store is not None:
        raise UsageError("this home uses a database already; `valetkey backup` makes a file of it")
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError("the target is the URL of a PostgreSQL database: postgresql://…")

    async def migrating() -> "Check":
        with progress() as shown:
            return await migrated(chosen, url, shown, by_whom(), passphrases=somebody())

    check = run(migrating)
    if as_json:
        return dump(check.as_json())
    say(
        f"Copied and compared: {check.sealed} sealed records, {check.rows} bound rows, {check.events} events."
    )
    say("The database waits, and the file is not used any more. Next:")
    say(f'  1. in {chosen.home}/valetkey.toml:  store = "{_without_password(url)}"')
    say("  2. valetkey store activate")
    return say("Before that, `valetkey store activate` without step 1 goes back to the file.")


def _without_password(url: str) -> str:
    from urllib.parse import urlsplit

    password = urlsplit(url).password
    return url.replace(f":{password}@", ":…@", 1) if password else url


def _as_json(gate: "Gate", where: str) -> dict[str, Json]:
    now = gate.now
    return {
        "store": now.store if now else None,
        "at": where,
        "live": gate.reason is None,
        "reason": gate.reason,
        "number": now.number if now else None,
        "generation": now.id if now else None,
        "since": now.since if now else None,
        "other": now.other if now else None,
    }


def _sentences(gate: "Gate", where: str) -> list[str]:
    now = gate.now
    about = [f"store {now.store}, generation {now.number} ({now.id}), since {when(now.since)}"] if now else []
    other = [f"the other copy: {now.other}"] if now and now.other else []
    verdict = ["It is the live copy."]
    if gate.reason:
        verdict = [f"IT IS NOT USED: {gate.asleep()}.", _ACTIVATE]
    return [where, *about, *other, *verdict]


_ACTIVATE = "`valetkey store activate` makes it the live one, and retires the other where it can be reached."
