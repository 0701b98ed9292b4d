"""The floors: a room imports only from lower floors, never sideways, and nobody shares the sandbox's code."""

from tests.laws.source import Module, product

FLOORS = {
    "errors": 0,
    "model": 1,
    "": 2,  # the package itself: what `import valetkey` gives
    "clients": 2,
    "settings": 2,
    "egress": 2,
    "manifest": 2,
    "store": 2,
    "vault": 3,
    "audit": 4,
    "generation": 5,
    "people": 5,
    "connections": 5,
    "grants": 5,
    "identity": 6,
    "needs": 6,
    "notices": 7,
    "calls": 7,
    "pages": 7,
    "server": 8,
    "authserver": 8,
    "web": 8,
    "api": 8,
    "jobs": 8,
    "assemble": 9,
    "serving": 10,
    "copies": 10,
    "demo": 11,  # serves
    "stdio": 11,  # serves pages
    "cli": 12,  # the demo is one of its commands
    "__main__": 13,
}
SANDBOX = "sandbox"
SANDBOX_IMPORTS = {"errors", "model", SANDBOX}
SANDBOX_USERS = {"demo", "cli", SANDBOX}


def imported_rooms(module: Module) -> list[tuple[int, str]]:
    """The rooms of ours that a module imports; `from valetkey import __version__` is no room."""
    named = [(line, name.split(".")) for line, name in module.imports()]
    rooms = {*FLOORS, SANDBOX}
    return [(line, parts[1]) for line, parts in named if parts[0] == "valetkey" and parts[1] in rooms]


def test_every_room_has_a_floor() -> None:
    rooms = {module.room for module in product()} - {SANDBOX}
    assert rooms <= set(FLOORS), f"give {rooms - set(FLOORS)} a floor in {__file__}"


def test_a_room_imports_only_from_lower_floors() -> None:
    wrong = [
        f"{module.name}:{line}: floor {FLOORS[module.room]} may not import {room} on floor {FLOORS[room]}"
        for module in product()
        if module.room != SANDBOX
        for line, room in imported_rooms(module)
        if room not in {module.room, SANDBOX} and FLOORS[room] >= FLOORS[module.room]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_sandbox_shares_no_code_with_what_it_checks() -> None:
    wrong = [
        f"{module.name}:{line}: the sandbox is the oracle and may not import {room}"
        for module in product()
        if module.room == SANDBOX
        for line, room in imported_rooms(module)
        if room not in SANDBOX_IMPORTS
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_demo_and_the_command_line_start_the_sandbox() -> None:
    wrong = [
        f"{module.name}:{line}: {module.room} may not import the sandbox"
        for module in product()
        if module.room not in SANDBOX_USERS
        for line, room in imported_rooms(module)
        if room == SANDBOX
    ]
    assert not wrong, "\n".join(wrong)


def test_every_import_says_where_it_comes_from() -> None:
    wrong = [
        f"{module.name}:{line}: write the import of `{name}` from `valetkey` on, so that the floors see it"
        for module in product()
        for line, name in module.imports()
        if name.startswith(".") or (name.startswith("valetkey.") and not _known(name))
    ]
    assert not wrong, "\n".join(wrong)


def _known(name: str) -> bool:
    return name.split(".")[1] in {*FLOORS, SANDBOX, "__version__"}
