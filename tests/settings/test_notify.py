"""The tables that say who is told, and where a server can be watched."""

import re
from pathlib import Path

import pytest

from valetkey import settings
from valetkey.errors import SettingsError

FILE = Path("/srv/valetkey/valetkey.toml")

WATCHED = """
[operator]
listen = "127.0.0.1:9917"
[notify]
operator = "ops@example.com"
[notify.smtp]
host = "smtp.internal"
sender = "valetkey@example.com"
[notify.webhook]
url = "https://hooks.example.com/T/s3cret"
[logs]
format = "json"
"""


def test_who_is_told_and_where_it_is_watched_is_read() -> None:
    found = settings.parse(WATCHED, FILE)
    assert (found.operator.listen, found.operator.drain) == ("127.0.0.1:9917", 0)
    assert found.notify.smtp is not None
    assert (found.notify.smtp.port, found.notify.smtp.security) == (587, "starttls")
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[notify]\noperator = "ops@example.com"', "takes a table [notify.smtp]"),
        ('[notify.smtp]\nhost = "mail.example.com"\nsecurity = "none"\nsender = "a@b.c"', "on this machine"),
        ('[notify.smtp]\nhost = "mail.example.com:25"\nsender = "a@b.c"', "without a port"),
        ('[notify.smtp]\nhost = "mail"\nsender = "a@b.c\\r\\nBcc: all@b.c"', "an e-mail address"),
        ('[notify.webhook]\nurl = "http://hooks.example.com/"', "an https URL"),
        ('[operator]\nlisten = "9917"', "an address and a port"),
        ('[logs]\nformat = "xml"', "text"),
    ],
)
def test_what_cannot_be_told_or_watched_is_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        settings.parse(text, FILE)
