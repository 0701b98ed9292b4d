"""What people see: sign-in, invitations, access requests, callbacks, a person's own page.

Each file is one page or two; what they share is in `pages`, what an answer does in `needs`.
"""

from typing import Protocol

from starlette.routing import Route

from valetkey.audit import Audit
from valetkey.connections import Connections
from valetkey.grants import Grants
from valetkey.identity.trust import Trust
from valetkey.manifest import Catalog
from valetkey.needs import Answers, Reading, Requests
from valetkey.pages import Pages
from valetkey.pages.proof import Proof
from valetkey.people import Accounts, Agents, Passkeys, Sessions
from valetkey.people.proved import Proved
from valetkey.store import Store
from valetkey.vault import KeyRing
from valetkey.web.arriving import Arriving
from valetkey.web.asked import AskedPerson
from valetkey.web.browsers import Browsers
from valetkey.web.connecting import Connecting
from valetkey.web.federated import Federated
from valetkey.web.joining import Joining
from valetkey.web.mine import Mine
from valetkey.web.signing import Signing
from valetkey.web.welcoming import Welcoming


class _Room(Protocol):
    """A file of pages."""

    def routes(self, pages: Pages) -> list[Route]: ...


def routes(
    pages: Pages,
    *,
    store: Store,
    keys: KeyRing,
    audit: Audit,
    catalog: Catalog,
    accounts: Accounts,
    passkeys: Passkeys,
    proof: Proof,
    sessions: Sessions,
    agents: Agents,
    connections: Connections,
    grants: Grants,
    requests: Requests,
    reading: Reading,
    answers: Answers,
    trust: Trust,
    proved: Proved,
    owner_chooses: bool = False,
) -> list[Route]:
    """Return the routes of every page. `Pages.application` is made for them.

    `owner_chooses`: an owner without a password chooses it at the first page, instead of by invitation.
    """
    browsers = Browsers(store, keys, audit, sessions)
    people = AskedPerson(store, accounts, requests)
    rooms: tuple[_Room, ...] = (
        Signing(store, accounts, browsers, owner_chooses=owner_chooses),
        Joining(store, accounts, browsers),
        Federated(trust, proved, browsers, audit),
        Connecting(people, reading, answers, proof),
        Arriving(requests, people, reading, answers, proof),
        Mine(store, catalog, accounts, agents, connections, grants, browsers),
    )
    if owner_chooses:
        rooms = (*rooms, Welcoming(store, accounts, requests, browsers))
    return [pages.static(), *(route for room in rooms for route in room.routes(pages))]


__all__ = ["routes"]
