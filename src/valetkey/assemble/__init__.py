"""Builds everything from the settings: plain constructor calls, in the order of the floors."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from valetkey.assemble.ground import (
    DEFAULT_PORT,
    Ground,
    grounded,
    head_file,
    pages_at,
    service_tasks,
    sign_head,
)
from valetkey.assemble.rooms import (
    build_answers,
    build_authserver,
    build_connections,
    build_jobs,
    build_notices,
    build_trust,
)
from valetkey.authserver import AuthServer
from valetkey.calls.answering import Answering
from valetkey.calls.limits import Limits
from valetkey.calls.perform import Calls
from valetkey.calls.policy import Policy
from valetkey.connections import Connections
from valetkey.grants import Grants
from valetkey.identity import Identity, Tokens
from valetkey.identity.tokens import PATH
from valetkey.identity.trust import Trust
from valetkey.jobs import Jobs
from valetkey.model import Clock, Randomness
from valetkey.needs import Answers, Needs, Parts, Reading, Requests
from valetkey.notices import Notices
from valetkey.pages.proof import Proof
from valetkey.people import Accounts, Agents, Passkeys, Sessions, Welcome
from valetkey.people.proved import Proved
from valetkey.settings import Settings
from valetkey.vault.sources.passphrase import Passphrases


@dataclass(frozen=True, slots=True)
class House:
    """Everything that was built. The command line and the server take what they need of it."""

    ground: Ground
    accounts: Accounts
    passkeys: Passkeys
    proof: Proof
    welcome: Welcome
    sessions: Sessions
    agents: Agents
    tokens: Tokens
    trust: Trust
    identity: Identity
    connections: Connections
    grants: Grants
    requests: Requests
    reading: Reading
    answers: Answers
    calls: Calls
    authserver: AuthServer
    notices: Notices
    jobs: Jobs


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    public_url: str | None = None,
    local: bool = False,
    clock: Clock | None = None,
    randomness: Randomness = secrets.token_bytes,
    passphrases: Passphrases | None = None,
) -> AsyncIterator[House]:
    """Open the house for a while: keys and store first, then what stands on them.

    `public_url` is where this server is reached, if the settings do not say; `local`: over stdio, so
    that its pages are at the callback port unless a server runs; `passphrases`: who is asked for the root
    key's, None for nobody. Raises ConfigError, before anything is changed, when key, store, manifests or
    settings cannot be used.
    """
    async with grounded(
        settings,
        public_url=public_url,
        local=local,
        clock=clock,
        randomness=randomness,
        passphrases=passphrases,
    ) as (ground, issuer):
        yield _house(ground, issuer)


def _house(ground: Ground, issuer: str) -> House:
    """Build the rooms. `issuer` is the URL in the tokens that are minted on this home."""
    store, keys, audit, ids, clock = ground.store, ground.keys, ground.audit, ground.ids, ground.clock
    browsers = ground.settings.limits.browsers
    sessions = Sessions(store, keys, ids, clock, ground.randomness, browsers)
    agents = Agents(keys, ids, clock, ground.randomness)
    tokens = Tokens(store, keys, clock, issuer, issuer + PATH)
    trusted = build_trust(ground, agents, tokens)
    connections = build_connections(ground)
    grants, requests = (
        Grants(store, keys, audit, ids, clock),
        Requests(store, keys, audit, ids, clock, ground.public_url),
    )
    policy, needs = Policy(store, agents), Needs(connections, grants, requests)
    parts = Parts(store, ground.catalog, connections)
    accounts = Accounts(store, keys, ids, clock, ground.randomness)
    passkeys = Passkeys(store, keys, ids, clock, ground.randomness, ground.public_url)
    authserver = build_authserver(ground, tokens, agents, sessions, grants)
    notices = build_notices(ground, connections)
    identity = Identity(tokens, sessions, grants, trusted.trusted)
    answering = Answering(
        store, ground.catalog, needs, requests, connections, grants, accounts, agents, identity
    )
    return House(
        ground=ground,
        accounts=accounts,
        passkeys=passkeys,
        proof=Proof(store, accounts, passkeys, Proved(store, clock), audit),
        welcome=Welcome(store, keys, clock, ground.settings.home),
        sessions=sessions,
        agents=agents,
        tokens=tokens,
        trust=trusted,
        identity=identity,
        connections=connections,
        grants=grants,
        requests=requests,
        reading=Reading(store, ground.egress, connections, parts, agents),
        answers=build_answers(ground, connections, grants, requests, parts),
        calls=Calls(
            ground.catalog,
            audit,
            Limits(clock, ground.settings.limits),
            policy,
            needs,
            connections,
            ground.egress,
            answering,
            ground.gate.refuse,
        ),
        authserver=authserver,
        notices=notices,
        jobs=build_jobs(ground, connections, authserver, trusted, sessions, notices),
    )


__all__ = ["DEFAULT_PORT", "Ground", "House", "head_file", "opened", "pages_at", "service_tasks", "sign_head"]
