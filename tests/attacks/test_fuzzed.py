"""Ten thousand bent inputs at each place that reads what somebody else wrote: refused in words, or right.

What a place may raise or return is what it documents. Anything else is a crash, and in a server a crash is
an answer with a stack, or none.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Message

from tests.attacks.mutation import bent
from tests.authserver.front import BACK, CHALLENGE
from tests.connections.test_answer import YEAR, auth
from tests.manifest.demo import HEAD, NO_AUTH, TOOL
from tests.manifest.test_paths import PAYLOADS, ROUTES, shape_is_kept
from tests.support.linked import Linked
from tests.vault.test_seal import PLAIN, accepted, sealed_now
from valetkey.authserver.asked import Parameters, asked, redirect_uri
from valetkey.authserver.asking import read_form
from valetkey.authserver.metadata import method_of, name_of, read_metadata
from valetkey.authserver.redirects import usable_all
from valetkey.connections import Flows, Trip
from valetkey.connections.answer import read_answer
from valetkey.egress import Incoming
from valetkey.errors import CallError, EgressAnswerLost, ManifestError, OAuthError, OAuthRefused, PageError
from valetkey.manifest import Catalog, Connector, shipped
from valetkey.manifest.contexts import Unfit
from valetkey.manifest.paths import parse_line
from valetkey.model import Outcome, Registration
from valetkey.people import Agent
from valetkey.vault.seal import Sealed

ISSUER = "https://strict.example/strict"
TOKENS = [
    b'{"access_token": "'
    + b"a" * 200
    + b'", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r"}',
    b'{"ok": true, "authed_user": {"access_token": "xoxp-1", "scope": "a,b", "expires_in": "43200"}}',
    b'{"error": "invalid_grant", "error_description": "gone", "error_uri": "https://a.example"}',
    b'{"ok": false, "error": "token_revoked"}',
    b"access_token=a&scope=repo%2Cgist&token_type=bearer",
]


def test_whatever_a_token_endpoint_answers_is_tokens_or_one_of_two_errors() -> None:
    good = 0
    for number, body in enumerate(bent(TOKENS)):
        reply = Incoming(
            (200, 200, 201, 400, 401, 503)[number % 6], {"retry-after": body[:9].decode("latin-1")}, body
        )
        with suppress(OAuthRefused, EgressAnswerLost):
            answer = read_answer(auth(), reply, (None, "authed_user")[number % 2])
            assert 0 < len(answer.access.reveal()) <= 16_384
            assert answer.access.reveal().isascii()
            assert answer.access.reveal().isprintable()
            assert answer.lasts is None or 0 <= answer.lasts <= YEAR
            good += 1
    assert good > 50, "some stay good"


def test_whatever_stands_in_a_path_stays_in_its_segment() -> None:
    sent = 0
    for number, value in enumerate(bent([one.encode() for one in PAYLOADS if len(one) < 100])):
        route, text = ROUTES[number % len(ROUTES)], value.decode(errors="replace")
        line, values = parse_line(route), {"id": text, "owner": "o", "name": "n"}
        assert shape_is_kept(line, route, values), text
        with suppress(Unfit):
            line.path(values)
            sent += 1
    assert 1_000 < sent < 9_000


def test_a_bent_manifest_is_loaded_or_its_problem_is_named(tmp_path: Path) -> None:
    """A file is written, parsed, validated and built for each of them."""
    folder, loaded = tmp_path / "acme", 0
    folder.mkdir()
    for text in bent([(HEAD + NO_AUTH + TOOL).encode()]):
        (folder / "manifest.toml").write_bytes(text)
        with suppress(ManifestError):
            Catalog.load([tmp_path])
            loaded += 1
    assert 50 < loaded < 9_000


def test_no_bent_envelope_opens() -> None:
    """Half of them with a bent data key, half with a bent content."""
    sealed = sealed_now()
    for number, (dek, content) in enumerate(
        zip(bent([sealed.dek]), bent([sealed.content], seed=2), strict=True)
    ):
        one = Sealed(sealed.kek, *((dek, sealed.content) if number % 2 else (sealed.dek, content)))
        assert one == sealed or not accepted(one)
    assert PLAIN not in sealed.content


@dataclass(slots=True)
class Trips:
    """Sets out to a provider for one access request, and comes back with whatever a browser brings."""

    flows: Flows
    connector: Connector
    client: Registration
    request: str
    refused: set[int] = field(default_factory=set)

    @classmethod
    async def of(cls, house: Linked) -> "Trips":
        built, connector = house.house, house.connector("notes")
        client = await built.connections.registrations.for_connector(built.ground.store, connector)
        request = await built.requests.find_or_make(
            house.caller, ("notes.list_notes",), Outcome.NOT_CONNECTED
        )
        return cls(built.connections.flows, connector, client, request.id)

    async def set_out(self) -> str:
        """Return the state that goes with the person."""
        scopes = frozenset({"notes.read"})
        url = await self.flows.begin(self.request, "ses_1", self.connector, self.client, scopes, {})
        return dict(parse_qsl(urlsplit(url).query))["state"]

    async def back(self, query: QueryParams) -> Trip | None:
        """The trip, or None where the callback was refused."""
        try:
            return await self.flows.receive("my-notes", query.multi_items(), "ses_1", {"notes": ISSUER})
        except PageError as refused:
            self.refused.add(refused.status)
            return None


async def test_no_bent_callback_is_received_and_none_burns_the_right_one(house: Linked) -> None:
    """One that differs in nothing that counts is the right one."""
    trips = await Trips.of(house)
    state, received = await trips.set_out(), 0
    for text in bent([b"state=STATE&code=code-1&iss=ISSUER", b"error=access_denied&state=STATE"]):
        query = QueryParams(text.decode("latin-1").replace("STATE", state).replace("ISSUER", quote(ISSUER)))
        if trip := await trips.back(query):
            told = [query.getlist(name) for name in ("state", "code", "iss", "error")]
            assert told == [[state], [trip.code], [ISSUER], []]
            state, received = await trips.set_out(), received + 1
    assert 50 < received < 5_000
    assert trips.refused == {400}
    last = await trips.back(QueryParams({"state": state, "code": "code-1", "iss": ISSUER}))
    assert last is not None
    assert last.code == "code-1"


FORMS = [
    b"grant_type=authorization_code&client_id=agt_1&code=c&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&code_verifier=v",
    b"grant_type=refresh_token&client_id=agt_1&refresh_token=ses_1.AAAA.0000&resource=https%3A%2F%2Fa.example%2Fmcp",
    b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=grt_1&scope=mcp",
]


async def test_a_bent_form_at_the_token_endpoint_is_read_or_refused() -> None:
    read = 0
    for body in bent(FORMS):
        with suppress(OAuthError):
            form = await read_form(_posted(body))
            assert (form.get("grant_type") or "") == dict(parse_qsl(body.decode())).get("grant_type", "")
            read += 1
    assert read > 2_000


def _posted(body: bytes) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def test_a_bent_query_at_authorize_is_a_request_or_refused_and_leads_nowhere_else() -> None:
    client, resource = Agent("agt_1", "x", metadata={"redirect_uris": [BACK]}), "https://a.example/mcp"
    good = {"response_type": "code", "client_id": "agt_1", "redirect_uri": BACK, "state": "s", "scope": "mcp"}
    good |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": resource}
    taken = 0
    for text in bent([urlencode(good).encode()]):
        parameters = Parameters(QueryParams(text.decode("latin-1")).multi_items())
        with suppress(OAuthError):
            back_to = redirect_uri(parameters, client)
            assert re.sub(r"localhost(:\d+)?/", "localhost:4000/", back_to) == BACK, "but for its port"
            request = asked(parameters, client, back_to, frozenset({resource}), resource)
            assert request.answer("https://a.example", code="c").startswith(f"{back_to}?")
            taken += 1
    assert 500 < taken < 5_000


CLIENTS = [
    b'{"redirect_uris": ["http://localhost:1/cb"], "client_name": "A", "token_endpoint_auth_method": "none"}',
    b'{"redirect_uris": ["https://a.example/cb", "com.example.app:/cb"], "grant_types": ["x"]}',
]


def test_bent_metadata_of_a_client_are_what_may_be_kept_or_refused() -> None:
    kept = 0
    for body in bent(CLIENTS):
        with suppress(OAuthError):
            metadata = read_metadata(body)
            assert name_of(metadata, "A client without a name").isprintable()
            assert method_of(metadata, ("none", "client_secret_basic")) in {"none", "client_secret_basic"}
            for uri in usable_all(metadata.get("redirect_uris")):
                assert urlsplit(uri).scheme not in {"javascript", "data", "file", "vbscript"}
                assert uri.isascii()
                assert uri.isprintable()
            kept += 1
    assert 500 < kept < 8_000


CALLS = [
    b'{"query": "from:ben", "limit": 5}',
    b'{"to": "a@b.example", "subject": "x", "text": "y", "cc": null}',
    b'{"id": "18f1", "add": ["A"], "remove": []}',
    b'{"channel": "C1", "text": "x", "thread": "1.2"}',
]


def test_bent_arguments_fit_the_published_schema_or_are_invalid() -> None:
    tools = Catalog.load([shipped()]).tools
    taken, outcomes = 0, set[str]()
    for number, text in enumerate(bent(CALLS)):
        tool = tools[number % len(tools)]
        with suppress(ValueError, RecursionError):
            arguments = json.loads(text)
            try:
                taken += tool.check(arguments).keys() <= tool.input_schema["properties"].keys()
            except CallError as refused:
                outcomes.add(refused.outcome if len(refused.text) < 2_000 else "too long")
    assert taken > 20
    assert outcomes == {Outcome.INVALID}
