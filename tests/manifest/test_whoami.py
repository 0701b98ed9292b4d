from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.manifest.demo import TOOL, acme
from valetkey.errors import CallError
from valetkey.manifest import Account, Catalog, shipped, whoami
from valetkey.manifest.requests import Request
from valetkey.model import Outcome

CATALOG = Catalog.load([shipped()])


@dataclass
class Line:
    """A way to an upstream that says one thing."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> "Line":
        self.sent.append(request)
        return self


async def test_gmail_says_whose_mail_it_is() -> None:
    line = Line(b'{"emailAddress": "ana@example.com", "messagesTotal": 3}')
    account = await whoami(CATALOG.connectors["gmail"], line.send)
    assert account == Account("ana@example.com", "ana@example.com")
    accept = (("accept", "application/json"),)
    assert line.sent == [
        Request("GET", "https://gmail.googleapis.com/gmail/v1/users/me/profile", accept, None)
    ]


async def test_slack_says_who_and_in_which_workspace() -> None:
    line = Line(b'{"ok": true, "team": "Acme\xe2\x80\x8b", "team_id": "T1", "user": "ana", "user_id": "U1"}')
    assert await whoami(CATALOG.connectors["slack"], line.send) == Account("T1/U1", "ana @ Acme")


@pytest.mark.parametrize(
    ("connector", "body", "outcome"),
    [
        ("slack", b'{"ok": false, "error": "invalid_auth"}', Outcome.RECONNECT),
        ("slack", b'{"ok": true}', Outcome.FAILED),
        ("gmail", b'{"emailAddress": ""}', Outcome.FAILED),
        ("gmail", b"<html>", Outcome.FAILED),
        ("gmail", b'{"emailAddress": true}', Outcome.FAILED),
        ("gmail", b'{"emailAddress": false}', Outcome.FAILED),
        ("gmail", b'{"emailAddress": ["ana@example.com"]}', Outcome.FAILED),
        ("gmail", b'{"emailAddress": {"of": "ana"}}', Outcome.FAILED),
        ("gmail", b'{"emailAddress": 1.5}', Outcome.FAILED),
    ],
)
async def test_an_account_that_is_not_named_is_an_error(
    connector: str, body: bytes, outcome: Outcome
) -> None:
    with pytest.raises(CallError) as error:
        await whoami(CATALOG.connectors[connector], Line(body).send)
    assert error.value.outcome == outcome


async def test_an_account_may_be_a_number_and_its_label_is_a_text_or_none() -> None:
    line = Line(b'{"id": 101, "login": ["ana"]}')
    assert await whoami(CATALOG.connectors["github"], line.send) == Account("101", "101")


async def test_a_connector_may_have_no_way_to_ask(tmp_path: Path) -> None:
    assert await whoami(acme(tmp_path, TOOL), Line(b"").send) is None
