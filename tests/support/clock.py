"""A clock that tests turn by hand."""

from valetkey.model import DAY

START = 20_000 * DAY  # a day in 2024


class FakeClock:
    """Stands still until `advance` or `set_to` moves it. Milliseconds, as everywhere."""

    def __init__(self, now: int = START) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, milliseconds: int) -> None:
        self._now += milliseconds

    def set_to(self, now: int) -> None:
        """For a clock that jumps, forwards or back."""
        self._now = now
