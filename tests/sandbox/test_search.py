"""Gmail's search language, as far as the sandbox speaks it."""

import pytest

from tests.support.clock import FakeClock
from valetkey.sandbox.mailbox import Mailboxes
from valetkey.sandbox.search import matches


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 12),
        ("from:ben", 7),
        ("from:ben@example.com", 7),
        ('from:"Ben Brandt"', 7),
        ("from:ben is:unread in:inbox", 7),
        ("is:read", 2),
        ("is:unread", 10),
        ("to:ana", 12),
        ("subject:keys", 1),
        ('subject:"meeting room"', 1),
        ('subject:"room meeting"', 0),
        ("in:sent", 0),
        ("in:anywhere", 12),
        ("label:inbox", 12),
        ("noodle", 1),
        ('"noodle place"', 1),
        ('"place noodle"', 0),
        ("noodle place", 1),
        ("-from:ben", 5),
        ("-noodle", 11),
        ("FROM:BEN Lunch", 1),
        ("refresh tokens from:carol", 0),
        ("unknown:operator", 0),
        ('"unclosed', 0),
        ("08:12", 1),
    ],
)
def test_a_query_finds_what_it_should_in_anas_mail(query: str, count: int) -> None:
    box = Mailboxes(FakeClock()).of("ana@example.com")
    assert sum(matches(mail, query) for mail in box) == count
