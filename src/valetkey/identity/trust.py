"""Everything of the issuers that we trust, built in one place: who they are, what they say, who signs in."""

from dataclasses import dataclass

from valetkey.audit import Audit
from valetkey.egress import Egress
from valetkey.identity.client_secrets import ClientSecrets
from valetkey.identity.discovery import Discovery
from valetkey.identity.id_tokens import IdTokens
from valetkey.identity.introspection import Introspection
from valetkey.identity.issuers import Issuers
from valetkey.identity.sign_ins import SignIns
from valetkey.identity.signed import Signed
from valetkey.identity.trusted import Trusted
from valetkey.model import Clock, Ids, Randomness
from valetkey.people import Agents
from valetkey.people.vouched import Vouched
from valetkey.store import Store
from valetkey.vault import Vault


@dataclass(frozen=True, slots=True)
class Trust:
    """The parts. `trusted` reads access tokens, `sign_ins` sends people there, `vouched` keeps their rows."""

    issuers: Issuers
    discovery: Discovery
    secrets: ClientSecrets
    signed: Signed
    trusted: Trusted
    sign_ins: SignIns
    vouched: Vouched


def trust(
    issuers: Issuers,
    *,
    store: Store,
    vault: Vault,
    audit: Audit,
    egress: Egress,
    agents: Agents,
    ids: Ids,
    clock: Clock,
    randomness: Randomness,
    public_url: str,
    resource: str,
) -> Trust:
    """Build them. `public_url` is where our pages are, `resource` the MCP endpoint that tokens are for."""
    discovery, secrets = Discovery(egress, clock), ClientSecrets(store, vault, audit)
    signed, vouched = Signed(discovery, clock), Vouched(store, vault.keys, agents, clock)
    introspection = Introspection(discovery, secrets, egress, clock)
    id_tokens = IdTokens(signed)
    return Trust(
        issuers=issuers,
        discovery=discovery,
        secrets=secrets,
        signed=signed,
        trusted=Trusted(issuers, signed, introspection, vouched, clock, resource),
        sign_ins=SignIns(
            store, vault, ids, clock, randomness, egress, discovery, secrets, id_tokens, public_url
        ),
        vouched=vouched,
    )
