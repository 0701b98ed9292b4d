"""The search for tokens finds one that is there."""

import base64

import pytest

from valetkey.demo.proofs import how_many_in

TOKEN = "ya29.sandbox/a+b=="


@pytest.mark.parametrize(
    "heard", [TOKEN.encode(), b"?t=ya29.sandbox%2Fa%2Bb%3D%3D&", b"x" + base64.b64encode(TOKEN.encode())]
)
def test_a_token_that_reached_an_agent_is_found(heard: bytes) -> None:
    assert how_many_in(heard, [TOKEN, "xoxp-another"]) == 1


def test_nothing_is_found_where_none_is() -> None:
    assert how_many_in(b"five mails from Ben", [TOKEN]) == 0
