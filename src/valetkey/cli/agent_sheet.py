"""An agent as commands show it: itself, what it authenticates with, what it was allowed, its sessions."""

from typing import TYPE_CHECKING

from valetkey.cli.house import Names
from valetkey.cli.output import listed, say, text, until, visible, when, words
from valetkey.model import Grant, Json

if TYPE_CHECKING:
    from valetkey.people import Agent, Session


def row(agent: "Agent") -> dict[str, Json]:
    """Return an agent as a list shows it; `used` is None until it has authenticated."""
    return {
        "id": agent.id,
        "name": agent.name,
        "kind": agent.kind,
        "state": "active" if agent.suspended is None else "suspended",
        "created": agent.created,
        "used": agent.used if agent.used > agent.created else None,
    }


def credentials(agent: "Agent") -> dict[str, Json]:
    """How it authenticates, and its keys' thumbprints (RFC 7638), by which they can be compared."""
    from valetkey.people.client_keys import thumbprints

    jwks = agent.metadata.get("jwks")
    return {
        "authenticates": agent.metadata.get("token_endpoint_auth_method"),
        "keys": thumbprints(jwks) if jwks else [],
    }


def given(grant: Grant, known: Names) -> dict[str, Json]:
    """Return what one person allowed it."""
    return {
        "id": grant.id,
        "principal": known.person(grant.principal),
        "tools": sorted(grant.tools),
        "until": grant.until,
        "uses": grant.uses,
        "used": grant.used,
        "offline": grant.offline,
    }


def running(session: "Session", known: Names) -> dict[str, Json]:
    """Return one of its live sessions; `behind` are the agents before it, `under` a grant."""
    return {
        "id": session.id,
        "kind": session.kind,
        "principal": known.person(session.principal),
        "behind": [known.agent(actor) for actor in session.chain],
        "under": session.under,
        "until": session.until,
    }


def show_sheet(shown: dict[str, Json]) -> None:
    """Show all of it to a person."""
    for key in ("name", "id", "kind", "state", "authenticates"):
        say(f"{key:<15}{visible(text(shown[key]))}")
    say(f"{'last used':<15}{when(shown['used'])}")
    for thumbprint in shown["keys"]:
        say(f"{'key':<15}{thumbprint}")
    say("")
    grants = {"id": text, "principal": text, "tools": words, "until": until, "offline": _yes}
    listed(shown["grants"], grants, as_json=False, empty="Nobody has allowed it anything.")
    say("")
    sessions = {"id": text, "kind": text, "principal": text, "behind": words, "until": when}
    listed(shown["sessions"], sessions, as_json=False, empty="It has no session now.")


def _yes(value: Json) -> str:
    return "yes" if value else "no"
