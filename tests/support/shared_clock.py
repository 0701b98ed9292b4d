"""One clock for several processes, turned by hand: its time is eight bytes in a file that all of them map."""

import mmap
import struct
from pathlib import Path

from tests.support.clock import START, FakeClock


class SharedClock(FakeClock):
    """A clock for everybody who opens the same file. `make` it once, then construct it anywhere."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self.file, self._time = file, mmap.mmap(opened.fileno(), 8)
        super().__init__(self.now())

    @classmethod
    def make(cls, folder: Path, now: int = START) -> "SharedClock":
        """A new clock in a folder."""
        file = folder / "clock"
        file.write_bytes(struct.pack("<q", now))
        return cls(file)

    def now(self) -> int:
        return int(struct.unpack("<q", self._time[:])[0])

    def advance(self, milliseconds: int) -> None:
        self.set_to(self.now() + milliseconds)

    def set_to(self, now: int) -> None:
        self._time[:] = struct.pack("<q", now)
