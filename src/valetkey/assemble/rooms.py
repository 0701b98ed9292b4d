"""The rooms that take many parts: connections, our authorization server, those we trust, the jobs."""

from functools import partial

from valetkey.assemble.ground import Ground, head_file, pages_at, sign_head
from valetkey.authserver import AuthServer
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.authserver.authorizations import Authorizations
from valetkey.authserver.cimd import Documents
from valetkey.authserver.clients import Clients
from valetkey.authserver.codes import Codes
from valetkey.authserver.dynamic import DynamicClients
from valetkey.authserver.refresh_tokens import RefreshTokens
from valetkey.authserver.rfc6749_token import PATH as TOKEN_PATH
from valetkey.authserver.rfc7523_assertions import ClientAssertions
from valetkey.connections import Connections, Flows, Registrations
from valetkey.connections.ahead import Ahead
from valetkey.connections.circuit import Circuits
from valetkey.connections.connect import Connecting
from valetkey.connections.ending import Ending
from valetkey.connections.endpoint import TokenEndpoint
from valetkey.connections.giving_back import GivingBack
from valetkey.connections.keeping import Keeping
from valetkey.connections.pasting import Pasting
from valetkey.connections.refresh import Refresher
from valetkey.connections.renewal import Renewal
from valetkey.connections.revoke import Revocation
from valetkey.connections.rows import Rows
from valetkey.connections.setbacks import Setbacks
from valetkey.connections.storing import Storing
from valetkey.connections.tokensets import TokenSets
from valetkey.grants import Grants
from valetkey.identity import Tokens
from valetkey.identity.issuers import Issuers
from valetkey.identity.trust import Trust, trust
from valetkey.jobs import Jobs
from valetkey.needs import Answers, Parts, PastedSecrets, Requests, Trips
from valetkey.notices import Addresses, Notices, Post, SmtpPassword, Survey
from valetkey.notices.noticing import Noticing
from valetkey.notices.outbox import Outbox
from valetkey.notices.summary import Summary
from valetkey.notices.words import Words
from valetkey.people import Agents, Once, Sessions, Tries
from valetkey.people.sweeping import Sweeping


def build_connections(ground: Ground) -> Connections:
    """Everything that is done with connections."""
    store, vault, egress, audit = ground.store, ground.vault, ground.egress, ground.audit
    ids, clock, randomness, tasks = ground.ids, ground.clock, ground.randomness, ground.tasks
    rows, sets = Rows(store, vault, audit, clock), TokenSets(vault, randomness)
    registrations, endpoint = (
        Registrations(vault, audit, clock),
        TokenEndpoint(egress, ground.gate.refuse_now),
    )
    catalog, circuits = ground.catalog, Circuits(clock, randomness)
    giving = GivingBack(store, rows, sets, registrations, endpoint, egress, audit, catalog, clock)
    revocation = Revocation(store, vault, sets, rows, giving, egress, catalog)
    setbacks = Setbacks(store, rows, registrations, circuits, audit, clock, randomness)
    storing = Storing(store, sets, rows, revocation, audit, tasks)
    renewal = Renewal(store, registrations, endpoint, storing, setbacks, circuits, clock)
    keeping, overridden = Keeping(vault, egress, rows, sets, ids), egress.overridden
    owner, awake = ground.leases.owner, ground.gate.refuse_now
    refresher = Refresher(
        store,
        sets,
        renewal,
        setbacks,
        circuits,
        clock,
        tasks,
        owner=owner,
        awake=awake,
        overridden=overridden,
    )
    return Connections(
        rows=rows,
        registrations=registrations,
        flows=Flows(store, vault, ids, clock, randomness, ground.public_url, awake),
        connecting=Connecting(
            store, vault, keeping, endpoint, registrations, rows, sets, revocation, clock, tasks
        ),
        pasting=Pasting(keeping, clock),
        refresher=refresher,
        ahead=Ahead(store, sets, rows, registrations, refresher, catalog, clock),
        ending=Ending(store, rows, sets, audit, clock),
        revocation=revocation,
    )


def build_authserver(
    ground: Ground, tokens: Tokens, agents: Agents, sessions: Sessions, grants: Grants
) -> AuthServer:
    """Our authorization server: who gets a token of ours."""
    store, keys, audit, ids, clock = ground.store, ground.keys, ground.audit, ground.ids, ground.clock
    randomness, settings = ground.randomness, ground.settings
    audiences = frozenset({tokens.issuer, tokens.issuer + TOKEN_PATH})
    assertions, tries = ClientAssertions(store, Once(clock), clock, audiences), Tries(store, clock)
    private, documents = frozenset(settings.egress.allow), settings.clients.cimd == "on"
    fetched = Documents(ground.egress, clock, private) if documents else None
    return AuthServer(
        clients=Clients(store, agents, fetched),
        dynamic=DynamicClients(store, agents, sessions, grants, audit, ids, clock, randomness),
        authorizations=Authorizations(store, keys, clock, randomness),
        codes=Codes(store, keys, audit, sessions, clock, randomness),
        refresh_tokens=RefreshTokens(store, ground.vault, audit, sessions, clock, randomness),
        authentication=ClientAuthentication(store, agents, tries, keys, audit, clock, assertions),
        documents=documents,
    )


def build_trust(ground: Ground, agents: Agents, tokens: Tokens) -> Trust:
    """The issuers we trust, and those who sign in at them."""
    return trust(
        Issuers(ground.settings.issuers, tokens.issuer, tokens.resource),
        store=ground.store,
        vault=ground.vault,
        audit=ground.audit,
        egress=ground.egress,
        agents=agents,
        ids=ground.ids,
        clock=ground.clock,
        randomness=ground.randomness,
        public_url=ground.public_url,
        resource=tokens.resource,
    )


def build_answers(
    ground: Ground, connections: Connections, grants: Grants, requests: Requests, parts: Parts
) -> Answers:
    """What a person's answer to an access request does."""
    store, audit, tries = ground.store, ground.audit, Tries(ground.store, ground.clock)
    trips = Trips(store, ground.catalog, ground.egress, audit, connections, requests, parts)
    pasted = PastedSecrets(store, ground.keys, audit, connections.pasting, tries)
    most = ground.settings.limits.connections
    return Answers(store, connections, grants, requests, parts, trips, pasted, most)


def build_notices(ground: Ground, connections: Connections) -> Notices:
    """Who is told what, and how all stands."""
    store, ids, clock, settings = ground.store, ground.ids, ground.clock, ground.settings
    audit, vault, told = ground.audit, ground.vault, settings.notify
    outbox, password = Outbox(store, ids, clock), SmtpPassword(store, vault, audit)
    addresses = Addresses(store, vault, audit, ids, clock, ground.randomness)
    words = Words(ground.catalog, ground.public_url)
    people, operator = bool(told.ways_to_people), bool(told.ways_to_operator)
    survey = Survey(
        settings,
        store,
        ground.leases,
        ground.keys,
        ground.catalog,
        outbox,
        clock,
        connections,
        asleep=ground.gate.asleep,
        pages=pages_at(ground.public_url),
        head=head_file(settings),
    )
    return Notices(
        addresses=addresses,
        noticing=Noticing(store, outbox, addresses, connections, clock, carried=people),
        outbox=outbox,
        post=Post(
            store,
            ground.keys,
            ground.egress,
            outbox,
            addresses,
            connections,
            password,
            words,
            told,
            ids,
            clock,
            ground.public_url,
        ),
        password=password,
        summary=Summary(store, survey, outbox, carried=operator),
        survey=survey,
    )


def build_jobs(
    ground: Ground,
    connections: Connections,
    authserver: AuthServer,
    trusted: Trust,
    sessions: Sessions,
    notices: Notices,
) -> Jobs:
    """What happens without anybody asking."""
    store, clock = ground.store, ground.clock
    forgetting = (
        *authserver.jobs,
        trusted.sign_ins.forget_late,
        sessions.forget_exchanged,
        Sweeping(store, clock).sweep,
        connections.ahead.renew_due,
        connections.ending.forget_dead,
        *notices.jobs,
    )
    sign = partial(sign_head, ground)
    return Jobs(store, ground.audit, connections, sign, clock, ground.leases, ground.gate, forgetting)
