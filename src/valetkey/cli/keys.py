"""`valetkey keys`: the keys under which everything is sealed, over their life."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import act, in_house, settings
from valetkey.cli.key_sheet import COLUMNS, next_step, row
from valetkey.cli.output import AsJson, dump, listed, say, tell, when
from valetkey.cli.passphrase import PassphraseFd, somebody
from valetkey.cli.progress import progress
from valetkey.errors import UsageError
from valetkey.model import Json

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.settings import Settings
    from valetkey.vault.rotation import KekState, Rotation
    from valetkey.vault.sources.passphrase import Passphrases

app = typer.Typer(name="keys", help="The keys under which everything is sealed.", no_args_is_help=True)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show each key, how many records it seals, and what to do next.

    Each record has a data key of its own, which one of these wraps. These in
    turn are wrapped by the root key; \\[key] in valetkey.toml says where that is.

    Example:
      valetkey keys status
    """

    async def reading(house: "House") -> dict[str, Json]:
        from valetkey.vault.rotation import kek_states

        now, states = house.ground.clock.now(), await kek_states(house.ground.store)
        root = house.ground.keys.keks.source.key_id()
        rows = [row(state, now) for state in states]
        return {"root": root, "keys": rows, "next": next_step(states, now)}

    found = in_house(reading)
    if as_json:
        dump(found)
        return
    listed(found["keys"], COLUMNS, as_json=False, empty="")
    tell(f"\nAll of them are under {found['root']}.\nNext: {found['next']}.")


@app.command()
def rotate() -> None:
    """Seal everything under a new key, while the server goes on.

    What is written from now on is under the new key at once; what is there is
    taken over in small steps. Ctrl-C, or a fall of the machine, does no harm:
    run it again, and it goes on. Old backups stay under the key they were made
    with, which they hold themselves: keep the root key of that time with them.

    Example:
      valetkey keys rotate

    Then:
      valetkey keys retire kek_0194…
    """
    try:
        whole = in_house(_rotate)
    except KeyboardInterrupt:
        tell("Stopped. What is taken over stays so; `valetkey keys rotate` goes on with the rest.")
        raise typer.Exit(130) from None
    if not whole:
        raise typer.Exit(1)


async def _rotate(house: "House") -> bool:
    from valetkey.vault.rotation import Rotation

    ground = house.ground
    rotation = Rotation(ground.store, ground.keys, ground.clock)
    if await rotation.under_way():
        tell("An earlier rotation has not come to its end: it goes on.")
    else:
        await _begin(house, rotation)
    done, left = 0, await rotation.left()
    with progress() as shown:
        async for moved in rotation.run():
            done += moved
            shown("Taken over", done, left)
    await _finished(house, rotation)
    return not rotation.damaged


async def _begin(house: "House", rotation: "Rotation") -> None:
    ground = house.ground
    new = await rotation.prepared(ground.ids, ground.randomness)
    async with ground.store.transaction() as tx:
        await rotation.begin(tx, new)
        await ground.audit.append(tx, act("key.rotation_begun", kek=new.id))
    tell(f"From now on everything is sealed under {new.id}; what is there is taken over.")


async def _finished(house: "House", rotation: "Rotation") -> None:
    ground = house.ground
    async with ground.store.transaction() as tx:
        for kek in await rotation.finish(tx):
            await ground.audit.append(tx, act("key.rotation_done", kek=kek))
            tell(f"Nothing that opens is under {kek} any more. `valetkey keys retire {kek}` ends it.")
    for (purpose, record), kek in sorted(rotation.damaged.items()):
        tell(f"Damaged, and left under {kek}: the {purpose} {record}. `valetkey audit verify` says more.")
    tell(_BACKUPS.format(when=when(ground.clock.now()), root=ground.keys.keks.source.key_id()))


@app.command()
def retire(
    kek: Annotated[str, typer.Argument(metavar="KEY", help="As `valetkey keys status` shows it.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
) -> None:
    """Remove an old key under which nothing is left.

    It has to be said for each key, and is refused while a single record is under
    it. Backups made before it was empty still need it. They hold it themselves,
    under the root key of that time; records taken out of one of them cannot be
    put into this store any more.

    Example:
      valetkey keys retire kek_0194…
    """

    async def ending(house: "House") -> None:
        from valetkey.vault.rotation import kek_states, retire

        ground = house.ground
        state = _old(await kek_states(ground.store), kek)
        until = when(state.emptied or ground.clock.now())
        tell(_BACKUPS.format(when=until, root=ground.keys.keks.source.key_id()))
        if not yes:
            typer.confirm(
                f"Backups made before {until} need {kek}. Remove it from this store?", abort=True, err=True
            )
        async with ground.store.transaction() as tx:
            await retire(tx, kek)
            await ground.audit.append(tx, act("key.retired", kek=kek))
        await ground.store.erase_deleted()

    in_house(ending)
    tell(f"{kek} is retired: nothing but its name is left of it here.")


def _old(states: "list[KekState]", kek: str) -> "KekState":
    state = next((one for one in states if one.id == kek), None)
    if state is None or state.state == "retired":
        raise UsageError(f"there is no key `{kek}` to retire; `valetkey keys status` shows what there is")
    if state.state == "active":
        raise UsageError(f"`{kek}` is what everything is sealed under; `valetkey keys rotate` comes first")
    if state.records:
        raise UsageError(
            f"{state.records:,} records are under `{kek}`; `valetkey keys rotate` takes them over"
        )
    return state


@app.command()
def move(
    before: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="FILE",
            help="valetkey.toml as it was, with the old \\[key].",
            show_default=False,
        ),
    ],
    *,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Put the keys under another root key, which valetkey.toml names now.

    Keep the old settings, change \\[key] (a passphrase in place of the file,
    another file, a KMS), and stop the servers, which have the old one alone. The
    keys are wrapped anew in one step; no record is touched. Where somebody may
    have seen the old root key and the store, rotate afterwards, too.

    Example:
      cp -p valetkey.toml before.toml
      valetkey keys move --from before.toml

    Then:
      valetkey serve
    """
    from valetkey.settings import read

    chosen, asked = settings(), somebody(passphrase_fd)
    old = chosen.model_copy(update={"key": read(before).key})

    async def moving(house: "House") -> None:
        await _refuse_beside_servers(house)
        await _move(house, chosen, asked)

    in_house(moving, old, asked)


async def _refuse_beside_servers(house: "House") -> None:
    """One that runs could not open the key of the next rotation: it has the old root key alone."""
    sql = "SELECT 1 FROM leases WHERE name LIKE 'pages at %' AND until > $1 LIMIT 1"
    if await house.ground.store.one(sql, house.ground.clock.now()):
        raise UsageError(
            "a server of this store runs: stop every one of them first (a killed one: wait 15 seconds)"
        )


async def _move(house: "House", chosen: "Settings", asked: "Passphrases") -> None:
    from valetkey.assemble.unlocking import root_source
    from valetkey.vault.rotation import move, wrapped_by

    ground, before = house.ground, house.ground.keys.keks.source
    source = await root_source(chosen, None, ground.randomness, asked)
    wrapped = await wrapped_by(ground.store, ground.keys, source)
    async with ground.store.transaction() as tx:
        await move(tx, wrapped)
        await ground.audit.append(tx, act("key.moved", before=before.kind, now=source.kind))
    await ground.store.erase_deleted()
    say(source.key_id())
    tell(f"Every key is under {source.key_id()} now, and opens with it alone. Start the servers again.")
    tell(_BACKUPS.format(when=when(ground.clock.now()), root=before.key_id()))


_BACKUPS = """\
Backups made before {when} open with the keys of then, which they hold, and those with the root
key of then: {root}. Keep it for as long as you keep them."""
