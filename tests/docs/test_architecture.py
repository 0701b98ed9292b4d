"""The map of rooms in ARCHITECTURE.md is the one that the floors are held to."""

import re

from tests.docs.pages import page
from tests.laws.test_floors import FLOORS

ROOM = re.compile(r"^ ?(?P<floor>\d+)? +(?P<room>[a-z]+)(?:\.py)? {2,}\S", re.MULTILINE)


def drawn() -> dict[str, int]:
    """The rooms of the map; a line without a number stands on the floor of the line above."""
    map_, floor, rooms = page("ARCHITECTURE.md").snippets("")[0], 0, dict[str, int]()
    for found in ROOM.finditer(map_):
        floor = int(found["floor"] or floor)
        rooms[found["room"]] = floor
    return rooms


def test_every_room_is_on_the_map_at_its_floor() -> None:
    assert drawn() == {
        room: floor for room, floor in FLOORS.items() if room.isidentifier() and room != "__main__"
    }
