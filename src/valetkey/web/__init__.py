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
from valetkey.needs import Answers, Reading, Requests, Stopping
from valetkey.notices import Notices
from valetkey.pages import Pages
from valetkey.pages.proof import Proof
from valetkey.people import Accounts, Agents, Passkeys, Sessions, Welcome
from valetkey.people.proved import Proved
from valetkey.store import Store
from valetkey.vault import KeyRing, Vault
from valetkey.web.agents import MyAgents
from valetkey.web.arriving import Arriving
from valetkey.web.asked import AskedPerson
from valetkey.web.browsers import Browsers
from valetkey.web.cards import Cards
from valetkey.web.connecting import Connecting
from valetkey.web.federated import Federated
from valetkey.web.granted import Granted
from valetkey.web.history import History
from valetkey.web.joining import Joining
from valetkey.web.mine import Mine
from valetkey.web.notices import NoticesPage
from valetkey.web.own import OwnPages
from valetkey.web.passkeys import PasskeyPages
from valetkey.web.sessions import SessionsPage
from valetkey.web.signing import Signing
from valetkey.web.waiting import WaitingForYou
from valetkey.web.welcoming import Welcoming


class _Room(Protocol):
    """A file of pages."""

    def routes(self, pages: Pages) -> list[Route]: ...


def routes(
    pages: Pages,
    *,
    store: Store,
    keys: KeyRing,
    vault: Vault,
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
    notices: Notices,
    trust: Trust,
    proved: Proved,
    welcome: Welcome | None = None,
) -> list[Route]:
    """Return the routes of every page. `Pages.application` is made for them.

    `welcome`: an owner who has not joined does so at the first page, instead of by invitation.
    """
    browsers = Browsers(store, keys, audit, accounts, sessions)
    people, own = AskedPerson(store, accounts, requests), OwnPages(store, requests)
    cards = Cards(store, catalog, agents, connections, grants, sessions)
    rooms: tuple[_Room, ...] = (
        Signing(store, accounts, passkeys, trust.issuers, browsers, owner_chooses=welcome is not None),
        Joining(store, accounts, passkeys, browsers, audit),
        Federated(trust, proved, browsers, audit),
        Connecting(people, reading, answers, proof),
        Arriving(requests, people, reading, answers, proof),
        SessionsPage(store, audit, own, accounts, passkeys, sessions, agents, browsers, proof),
        PasskeyPages(store, audit, own, accounts, passkeys, proof),
        Mine(own, store, catalog, accounts, agents, connections, grants, requests, notices),
        NoticesPage(own, store, notices, proof),
        MyAgents(own, cards, Stopping(store, audit, grants, sessions, requests)),
        Granted(own, cards, grants, proof),
        WaitingForYou(own, store, agents, requests, cards.words),
        History(own, store, vault, agents, cards),
    )
    if welcome:
        welcoming = Welcoming(store, accounts, passkeys, requests, browsers, audit, welcome)
        rooms = (*rooms, welcoming)
    return [pages.static(), *(route for room in rooms for route in room.routes(pages))]


__all__ = ["routes"]
