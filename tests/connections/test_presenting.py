"""How each kind of secret is put on a request, against what the sandbox's providers take."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from valetkey.connections.presenting import credential
from valetkey.manifest import Connector
from valetkey.manifest.schema_auth import Auth
from valetkey.model import Secret, TokenSet

ORIGINS = frozenset({"https://keyed.example"})
WHERE = {"where": "keyed.example"}
AUTH: TypeAdapter[Any] = TypeAdapter(Auth)


def presented(auth: Mapping[str, str], secret: str) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and the query parameters in which a secret goes out."""
    table = AUTH.validate_python({**WHERE, **auth})
    connector = Connector("keyed", "", "", "", table, None, None, ORIGINS, {}, None, "")  # type: ignore[arg-type]  # no reply is read
    tokens = TokenSet(Secret(secret), None, 0, None, frozenset(), ORIGINS, None, frozenset({"keyed"}))
    made = credential(connector, tokens, 3)
    assert (made.origins, made.version) == (ORIGINS, 3)
    return (
        {name: value.reveal() for name, value in made.headers.items()},
        {name: value.reveal() for name, value in made.query.items()},
    )


@pytest.mark.parametrize(
    ("auth", "secret", "header"),
    [
        ({"type": "bearer"}, "t", {"Authorization": "Bearer t"}),
        ({"type": "api_key", "header": "X-Api-Key"}, "k", {"X-Api-Key": "k"}),
        ({"type": "api_key", "header": "X-Auth", "prefix": "Token token="}, "k", {"X-Auth": "Token token=k"}),
        ({"type": "basic"}, "ana:a:b", {"Authorization": "Basic YW5hOmE6Yg=="}),
        ({"type": "basic"}, "ana:pä", {"Authorization": "Basic YW5hOnDDpA=="}),
        ({"type": "basic", "secret": "username"}, "k", {"Authorization": "Basic azo="}),
        ({"type": "basic", "secret": "password"}, "k", {"Authorization": "Basic Oms="}),
        (
            {"type": "basic", "secret": "password", "username": "api"},
            "k",
            {"Authorization": "Basic YXBpOms="},
        ),
    ],
)
def test_a_secret_goes_into_the_header_that_the_manifest_names(
    auth: dict[str, str], secret: str, header: dict[str, str]
) -> None:
    assert presented(auth, secret) == (header, {})


def test_a_key_goes_into_the_query_where_the_manifest_says_so() -> None:
    auth = {"type": "api_key", "query": "api_key", "prefix": "k-"}
    assert presented(auth, "1") == ({}, {"api_key": "k-1"})
