"""Connections: finding them, opening their tokens, making them, keeping them alive, ending them.

`Connections` is the room's front; each of its parts is a file. Which connection a call needs, and
what is missing for it, is decided in `needs`.
"""

from dataclasses import dataclass

from valetkey.connections.ahead import Ahead
from valetkey.connections.authorize import Flows, Params, Trip, TurnedAway
from valetkey.connections.connect import Confirming, Connecting, StoredLater
from valetkey.connections.credentials import ConnectionCredentials
from valetkey.connections.ending import Ending
from valetkey.connections.pasting import NotTaken, Pasting, Tried, Typed
from valetkey.connections.refresh import Refresher
from valetkey.connections.registrations import Refusal, Registrations, providers
from valetkey.connections.revoke import Revocation
from valetkey.connections.revoked import AtProvider, Revoked
from valetkey.connections.rows import Rows
from valetkey.manifest import Connector
from valetkey.model import Connection


@dataclass(frozen=True, slots=True)
class Connections:
    """Everything that can be done with connections, by part."""

    rows: Rows
    registrations: Registrations
    flows: Flows
    connecting: Connecting
    pasting: Pasting
    refresher: Refresher
    ahead: Ahead
    ending: Ending
    revocation: Revocation

    async def expiring(self, before: int) -> list[tuple[Connection, int]]:
        """Return the connections that end before a time unless their person consents anew, and when."""
        return await self.ending.expiring(before)

    def tokens(self, connection: Connection, connector: Connector) -> ConnectionCredentials:
        """Return what egress asks for this connection's credential."""
        return ConnectionCredentials(self.refresher, self.rows, connection, connector)


__all__ = [
    "AtProvider",
    "Confirming",
    "ConnectionCredentials",
    "Connections",
    "Flows",
    "NotTaken",
    "Params",
    "Pasting",
    "Refusal",
    "Registrations",
    "Revoked",
    "StoredLater",
    "Tried",
    "Trip",
    "TurnedAway",
    "Typed",
    "providers",
]
