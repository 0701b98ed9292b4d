"""Every door of the server, and which of them take an id of somebody's: what T1 is tried on.

A route that is not in one of these tables fails the test beside it: whoever adds one says here whose ids
it takes.
"""

from dataclasses import dataclass
from typing import Literal

Who = Literal["page", "agent", "mcp"]
"""Who tries it: Ben in his browser, another agent as itself, Ben's client."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an id of this kind goes: into the path, or into a `field` of the form or the query.

    `status` is what is answered to one that is somebody else's. Where it is 403, the person learns that the
    link is not theirs, and nothing more; else the answer is that of an id that nobody has.
    """

    kind: str
    field: str = ""
    who: Who = "page"
    status: int = 404


FOREIGN: dict[str, tuple[Place, ...]] = {
    "POST /mine/connections/{id}/revoke": (Place("connection"),),
    "POST /mine/connections/{id}/reconnect": (Place("connection"),),
    "GET /mine/grants/{id}": (Place("grant"),),
    "POST /mine/grants/{id}/narrow": (Place("grant"),),
    "POST /mine/grants/{id}/extend": (Place("grant"),),
    "POST /mine/grants/{id}/revoke": (Place("grant"),),
    "POST /mine/agents/stop": (Place("agent", "agent"),),
    "POST /mine/sessions": (Place("session", "end"),),
    "POST /mine/passkeys/{id}/remove": (Place("passkey"),),
    "GET /mine/history": (Place("agent", "agent"), Place("call", "before"), Place("call", "ended")),
    "GET /connect/{handle}": (Place("handle", status=403),),
    "POST /connect/{handle}": (Place("handle", status=403),),
    "GET /connect/{handle}/confirm": (Place("handle", status=403),),
    "POST /connect/{handle}/confirm": (Place("handle", status=403),),
    "GET /agents/self/requests/{id}": (Place("request", who="agent"),),
    "GET /mcp": (Place("stream", who="mcp"),),
    "POST /mcp": (Place("stream", who="mcp"),),
    "DELETE /mcp": (Place("stream", who="mcp"),),
    "GET /mcp/flat": (Place("stream", who="mcp"),),
    "POST /mcp/flat": (Place("stream", who="mcp"),),
    "DELETE /mcp/flat": (Place("stream", who="mcp"),),
}

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "GET /callback/{registration}": (
        "tests/connections/test_authorize.py::test_a_callback_without_the_browser_that_set_out_redeems_nothing",
        "tests/web/test_arriving.py::test_a_callback_in_somebody_elses_browser_redeems_nothing",
    ),
    "GET /signin/{issuer}/callback": (
        "tests/web/test_federated.py::test_an_answer_counts_in_the_browser_that_asked_and_in_no_other",
    ),
    "POST /token": (
        "tests/authserver/test_rfc6749_code.py::test_a_code_of_one_client_is_nothing_to_another",
        "tests/authserver/test_refresh_tokens.py::test_another_client_can_neither_use_a_token_nor_end_its_lineage",
        "tests/authserver/test_exchange_attacks.py::test_another_agents_grant_is_as_unknown_as_one_that_never_was_or_has_ended",
    ),
    "POST /revoke": (
        "tests/authserver/test_rfc7009_revocation.py::test_another_clients_token_is_not_given_back",
    ),
    "POST /introspect": (
        "tests/authserver/test_rfc7662_introspection.py::test_a_refresh_token_is_its_own_clients_business_and_good_until_it_is_used",
    ),
    "POST /agents/self/requests": (
        "tests/api/test_agents_self.py::test_a_name_that_nobody_has_answers_as_one_that_somebody_has",
    ),
    "GET /authorize/{authorization}": (
        "tests/authserver/test_authorize_attacks.py::test_one_persons_yes_is_no_other_persons",
    ),
    "POST /authorize/{authorization}": (
        "tests/authserver/test_authorize_attacks.py::test_one_persons_yes_is_no_other_persons",
    ),
    "GET /join/{invitation}": (
        "tests/web/test_joining.py::test_a_used_a_late_and_an_invented_invitation_look_the_same",
    ),
    "POST /join/{invitation}": ("tests/web/test_joining.py::test_an_invitation_is_used_once",),
    "GET /welcome": ("tests/web/test_welcoming.py::test_a_link_that_is_over_or_somebody_elses_is_none",),
    "POST /welcome": ("tests/web/test_welcoming.py::test_a_link_that_is_over_or_somebody_elses_is_none",),
}
"""Doors whose ids are secrets, or need a whole trip to be had: the tests that stand at them."""

NOBODYS: dict[str, str] = {
    "GET /": "leads to one's own page",
    "GET /mine": "one's own",
    "GET /mine/agents": "one's own",
    "GET /mine/waiting": "one's own",
    "GET /mine/sessions": "one's own",
    "POST /mine/password": "one's own",
    "GET /mine/notices": "one's own",
    "POST /mine/notices": "one's own",
    "GET /mine/notices/code": "one's own",
    "POST /mine/notices/code": "one's own",
    "GET /mine/passkeys/new": "one's own",
    "POST /mine/passkeys/new": "one's own",
    "POST /mine/connectors/{name}/connect": "the name of a connector, which all have",
    "GET /signin": "before anybody is there",
    "POST /signin": "before anybody is there",
    "POST /signin/{issuer}": "the name of an issuer, which all have",
    "POST /signout": "one's own",
    "GET /authorize": "what a client asks is nobody's until somebody answers",
    "POST /register": "makes a client of its own",
    "GET /agents/self/grants": "the agent's own",
    "GET /static/{name}": "the same for all",
    "GET /healthz": "the same for all",
    "GET /readyz": "the same for all",
    "GET /.well-known/valetkey": "the same for all",
    "GET /.well-known/jwks.json": "the same for all",
    "GET /.well-known/oauth-authorization-server": "the same for all",
    "GET /.well-known/oauth-protected-resource/mcp": "the same for all",
    "GET /.well-known/oauth-protected-resource/mcp/flat": "the same for all",
}
"""Doors that take no id of anybody's, and why."""

ARGUMENTS: dict[str, dict[str, str]] = {
    "valetkey.connect": {"tools": "", "connectors": "", "another_account": ""},
    "valetkey.connections": {},
    "valetkey.wait": {"request": "request"},
    "valetkey.whoami": {},
}
"""The arguments of the server's own tools, and the kind of id that each of them takes, if any."""
