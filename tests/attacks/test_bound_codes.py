"""A code is worth nothing to whoever only saw it: every trip has a secret of its own, and says S256 (O7)."""

import base64
import hashlib
import re
from urllib.parse import parse_qsl, urlsplit

from tests.support.linked import Linked
from valetkey.connections.endpoint import oauth2
from valetkey.manifest.schema_auth import OAuth2
from valetkey.model import Outcome

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636 section 4.1."""


async def _asked(house: Linked, connector: str, request: str = "") -> dict[str, str]:
    """What is asked of a provider's authorize page for a new trip."""
    built, found = house.house, house.connector(connector)
    request = request or await _request(house, connector)
    client = await built.connections.registrations.for_connector(built.ground.store, found)
    url = await built.connections.flows.begin(request, "ses_1", found, client, frozenset({"x"}), {})
    return dict(parse_qsl(urlsplit(url).query))


async def _request(house: Linked, connector: str) -> str:
    tool = next(iter(house.connector(connector).tools.values())).name
    return (await house.house.requests.find_or_make(house.caller, (tool,), Outcome.NOT_CONNECTED)).id


async def _verifier(house: Linked) -> str:
    ground = house.house.ground
    row = await ground.store.one("SELECT id FROM flows")
    assert row is not None
    return str((await ground.vault.open(ground.store, "flow", row["id"])).content["verifier"])


async def test_a_thousand_trips_have_a_thousand_states_and_verifiers(house: Linked) -> None:
    seen, request = set[str](), await _request(house, "notes")
    for _ in range(1_000):
        asked, verifier = await _asked(house, "notes", request), await _verifier(house)
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        assert VERIFIER.fullmatch(verifier)
        assert (asked["code_challenge"], asked["code_challenge_method"]) == (digest, "S256")
        assert verifier not in asked.values()
        seen |= {asked["state"], verifier}
    assert len(seen) == 2_000


async def test_no_connector_goes_without_but_where_its_manifest_says_so(house: Linked) -> None:
    said = {
        one.name: oauth2(one).pkce
        for one in house.house.ground.catalog.connectors.values()
        if _trips(one.auth)
    }
    assert {name for name, pkce in said.items() if pkce == "off"} <= {"slack"}, "which refuses it"
    for name in said.keys() & {"gmail", "notes", "google_calendar"}:
        assert (await _asked(house, name))["code_challenge_method"] == "S256"


def _trips(auth: object) -> bool:
    return isinstance(auth, OAuth2)
