"""`valetkey backup` and `valetkey restore`: a whole store in one file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.audit import anchor
from valetkey.cli.house import by_whom, in_house, run, settings
from valetkey.cli.output import AsJson, dump, say, tell
from valetkey.cli.passphrase import somebody
from valetkey.cli.progress import progress
from valetkey.errors import UsageError

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.copies.checking import Check
    from valetkey.copies.restore import Restored
    from valetkey.settings import Settings


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; its folder has to be there.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write the whole store into one file, while it is in use.

    Every sealed record in it is opened once, every row and the whole audit
    checked. The root key is NOT in it: keep that somewhere else. Exits with 1
    if something in the store is damaged; the file is kept.

    Example:
      valetkey backup /backups/valetkey-2026-11-25.db

    Then:
      valetkey restore FILE      in an empty home, with the key
    """
    chosen = settings()
    _refuse_nothing(chosen)

    async def backing(house: "House") -> "Check":
        from valetkey.copies import back_up
        from valetkey.copies.opening import of_ground

        with progress() as shown:
            return await back_up(of_ground(house.ground), file.absolute(), shown, by_whom())

    check = in_house(backing)
    if as_json:
        dump({"file": str(file), **check.as_json()})
    else:
        say("\n".join(_backed_up(file, check, chosen)))
    _tell_problems(check)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `valetkey backup` wrote.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", metavar="", help="Keep the store that is there aside.")
    ] = False,
    head: Annotated[
        Path | None,
        typer.Option(help="The last head that you know of the lost record.", show_default=False),
    ] = None,
    keep_standing: Annotated[
        bool,
        typer.Option("--keep-standing", metavar="", help="Agents go on while their people are away."),
    ] = False,
    accept_damage: Annotated[
        bool, typer.Option("--accept-damage", metavar="", help="Also what does not check as whole.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a backup the store of this home, and leave it dormant.

    The home needs the root key that the store had. The backup is checked before
    it takes any place. Every session and every standing grant ends: they may
    have been withdrawn since. Nothing acts until `valetkey store activate`.

    Example:
      valetkey restore /backups/valetkey-2026-11-25.db --head last-head.txt

    Then:
      valetkey store activate
    """
    from valetkey.copies import restored
    from valetkey.copies.restore import Wish

    chosen = settings()
    wish = Wish(by_whom(), anchor(head), replace, keep_standing, accept_damage)

    async def restoring() -> "Restored":
        with progress() as shown:
            return await restored(chosen, file.absolute(), wish, shown, passphrases=somebody())

    done = run(restoring)
    if as_json:
        dump(_as_json(done))
    else:
        say("\n".join(_restored(done, keep_standing=keep_standing)))
    _tell_problems(done.check, exits=False)


def _refuse_nothing(chosen: "Settings") -> None:
    if chosen.store is None and not chosen.store_file.exists():
        raise UsageError(f"{chosen.store_file}: there is no store yet")


def _backed_up(file: Path, check: "Check", chosen: "Settings") -> list[str]:
    key = chosen.key_file if chosen.key.source == "file" else f"[key] source = {chosen.key.source}"
    return [
        f"{file}: {check.sealed} sealed records, {check.rows} bound rows, {check.events} events: checked.",
        f"head {check.head}",
        f"THE ROOT KEY IS NOT IN IT. Without that key ({key}) nobody can open it, you included:",
        "  keep the key somewhere else than the backup. `valetkey keys status` says which keys it needs.",
        f"To restore: put the key into an empty home, then `valetkey restore {file}`.",
    ]


def _restored(done: "Restored", *, keep_standing: bool) -> list[str]:
    check, old = done.check, f"named in its audit: {done.old}" if done.old else "not known: see --head"
    aside = [f"The store that was here is now {done.aside}."] if done.aside else []
    standing = "kept, as you said" if keep_standing else f"{done.ended.grants} ended"
    return [
        f"Restored: {check.sealed} sealed records, {check.rows} bound rows, {check.events} events. DORMANT.",
        *aside,
        f"Sessions: {done.ended.sessions} ended, of browsers, clients and tokens: everybody signs in again.",
        f"Standing grants: {standing}. Other grants are as they were, and need a new session.",
        "WHAT WAS WITHDRAWN SINCE THE BACKUP IS BACK: grants, agents and people that were removed or",
        "  suspended, passwords that were changed. See `valetkey grants list`, `agents list`, `people list`.",
        "Providers that replace refresh tokens may refuse those of the backup; such a connection then says",
        "  `needs_reauth`, and its person reconnects.",
        f"The end of the record that it takes over from is {old}",
        "Next: `valetkey store activate`, once no other copy of it runs.",
    ]


def _as_json(done: "Restored") -> dict[str, object]:
    return {
        **done.check.as_json(),
        "sessions_ended": done.ended.sessions,
        "standing_grants_ended": done.ended.grants,
        "old_head": str(done.old) if done.old else None,
        "aside": str(done.aside) if done.aside else None,
    }


def _tell_problems(check: "Check", *, exits: bool = True) -> None:
    if check.whole:
        return
    tell(f"IT IS NOT WHOLE: {len(check.problems)} problems.")
    for problem in check.problems[:20]:
        tell(f"  {problem}")
    if exits:
        raise typer.Exit(1)
