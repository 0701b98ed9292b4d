"""When to strike: moments from the first step of a piece of work to past its last."""

from collections.abc import Callable, Iterator

_STRETCHES = (1.1, 2.0, 4.0, 8.0)


def moments(took: float, points: int, proved: Callable[[], bool]) -> Iterator[float]:
    """So many seconds after the beginning, evenly; `took` is how long the work takes undisturbed.

    All of it again, wider each time, while nothing is proved: a busy machine takes longer than it took.
    """
    for stretch in _STRETCHES:
        for point in range(points):
            yield took * stretch * point / points
        if proved():
            return
