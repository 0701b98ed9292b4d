"""Why a copy of a store does not act, as its operator, people and agents are told."""

from valetkey.errors import Dormant

_WHY = {
    "restored": "it was restored from a backup",
    "backup": "it is a backup",
    "migrated": "it was copied here from another store",
    "copied": "it is a copy: the store was made live in another place than this",
    "rolled_back": "it is older than what was recorded beside it: an old copy was put back",
    "older": "this home knows a newer generation of it",
    "forked": "this home knows another copy of it that was made live",
    "changed": "what says which copy it is was changed or removed",
    "moving": "it is being copied to another store",
    "retired": "another copy has taken over from it",
}
TO_DO = "`valetkey store status` says more, and `valetkey store activate` makes it the live one"


def explained(reason: str) -> str:
    """Why, in half a sentence that follows *it is not used:*."""
    return _WHY.get(reason, reason)


def refusal(reason: str) -> Dormant:
    """What a call is told: nothing was sent, and no person of its can do anything about it."""
    text = (
        "Nothing was done: this server's store is a copy that is not in use, because "
        f"{explained(reason)}. Its operator has to run `valetkey store activate`, or use the other copy."
    )
    return Dormant(text)
