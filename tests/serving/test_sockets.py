"""Whose sockets count together, and which of them makes way."""

import pytest

from valetkey.serving.sockets import Patience, Sockets


class Held:
    """A socket that remembers whether it had to make way, and is gone then."""

    def __init__(self, sockets: Sockets) -> None:
        self.sockets, self.dropped = sockets, False

    def drop(self) -> None:
        self.dropped = True
        self.sockets.gone(self)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("203.0.113.1", "203.0.113.2", False),
        ("203.0.113.1", "::ffff:203.0.113.1", True),
        ("::ffff:203.0.113.1", "::ffff:203.0.113.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_addresses_of_one_owner_count_together(one: str, other: str, together: bool) -> None:
    sockets = Sockets(Patience(most_of_address=1))
    assert sockets.let_in(Held(sockets), one)
    assert sockets.let_in(Held(sockets), other) is not together


def test_a_proxy_s_addresses_are_not_counted_however_they_are_written() -> None:
    sockets = Sockets(Patience(most_of_address=1, proxies=["10.0.0.0/8", "2001:db8::5/128"]))
    for host in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5"):
        assert all(sockets.let_in(Held(sockets), host) for _ in range(3)), host


def test_the_one_that_is_waited_for_the_longest_makes_way() -> None:
    sockets = Sockets(Patience(most=3, most_of_address=9))
    busy, first, second, third = (Held(sockets) for _ in range(4))
    for one in (busy, first, second):
        assert sockets.let_in(one, "203.0.113.1")
        sockets.waits(one, waits=one is not busy)
    sockets.waits(first, waits=True)  # it has begun something anew
    assert sockets.let_in(third, "203.0.113.2")
    assert [one.dropped for one in (busy, first, second)] == [False, False, True]


def test_where_nobody_is_waited_for_a_new_one_is_refused() -> None:
    sockets = Sockets(Patience(most=1))
    busy = Held(sockets)
    assert sockets.let_in(busy, "203.0.113.1")
    assert not sockets.let_in(Held(sockets), "203.0.113.2")
    sockets.gone(busy)
    assert sockets.let_in(Held(sockets), "203.0.113.2")
