"""How keys are shown to the operator, and what they are told to do next."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from valetkey.cli.output import text, when
from valetkey.model import DAY, Json

if TYPE_CHECKING:
    from valetkey.vault.rotation import KekState

COLUMNS = {
    "key": text,
    "state": text,
    "created": when,
    "days": text,
    "records": text,
    "wraps_at_most": text,
}


def row(state: "KekState", now: int) -> dict[str, Json]:
    """One key, for the table and for JSON. `wraps_at_most`: the data keys it has wrapped, counted ahead."""
    return {
        "key": state.id,
        "state": state.state,
        "created": state.created,
        "days": (now - state.created) // DAY,
        "records": state.records,
        "emptied": state.emptied,
        "wraps_at_most": state.wraps,
    }


def pressing(states: "Sequence[KekState]", now: int) -> str | None:
    """What should not wait: a rotation that was broken off, a key that has served long enough."""
    unfinished = next((one for one in states if one.state == "decrypt_only" and one.emptied is None), None)
    if unfinished:
        count = f"{unfinished.records:,} records are under {unfinished.id}"
        return f"{count}: `valetkey keys rotate` goes on with the rotation that took it out of use"
    why = next((why for one in states if (why := one.rotate_because(now))), None)
    return f"the active key should be rotated ({why}): `valetkey keys rotate`" if why else None


def next_step(states: "Sequence[KekState]", now: int) -> str:
    """What to do next, the most pressing thing alone."""
    old = [one for one in states if one.state == "decrypt_only"]
    damaged = next((one for one in old if one.records), None)
    if step := pressing(states, now):
        return step
    if damaged:
        return (
            f"{damaged.records:,} damaged records keep {damaged.id} here; `valetkey audit verify` says which"
        )
    if old:
        return f"nothing is under {old[0].id} any more: `valetkey keys retire {old[0].id}`"
    return "nothing"
