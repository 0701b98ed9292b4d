"""Trips to providers for an access request: whether one can be made, setting out, and coming back."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from valetkey.audit import Audit
from valetkey.connections import Connections, Params, Trip, TurnedAway
from valetkey.egress import Egress
from valetkey.errors import CallError, PageError
from valetkey.grants import Terms
from valetkey.manifest import Catalog
from valetkey.model import AuditEvent, Json, Registration
from valetkey.needs.parts import Part, Parts
from valetkey.needs.request import AccessRequest
from valetkey.needs.requests import Requests
from valetkey.people import Session
from valetkey.store import Store


@dataclass(frozen=True, slots=True)
class Errand:
    """What a new connection is for: the tools to give once it is confirmed, and on what terms.

    `tools` are entries of a grant; `about` is the connection it is to renew, if any.
    """

    connector: str
    tools: list[str]
    about: str | None
    terms: Terms


def luggage(errands: Sequence[Errand]) -> dict[str, Json]:
    """What rides along, sealed: this errand and those after it, so that a person decides once."""
    return {"errands": [asdict(errand) for errand in errands]}


def errands(luggage: Json) -> list[Errand]:
    """Return what rode along."""
    return [Errand(**{**errand, "terms": Terms(**errand["terms"])}) for errand in luggage["errands"]]


class Trips:
    """Sends people to providers, and receives them."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        egress: Egress,
        audit: Audit,
        connections: Connections,
        requests: Requests,
        parts: Parts,
    ) -> None:
        self._store, self._catalog, self._egress, self._audit = store, catalog, egress, audit
        self._connections, self._requests, self._parts = connections, requests, parts

    async def client(self, part: Part, tools: Collection[str]) -> Registration:
        """Return the client with which a trip for these tools can be made.

        Raises PageError 503 when the operator has none; 400 when it may not ask for so much.
        """
        try:
            client = await self._connections.registrations.for_connector(self._store, part.connector)
        except CallError:
            text = f"The operator has to register a client at {part.connector.title}'s provider first."
            raise PageError(503, "Not set up yet", text) from None
        if client.scopes is not None and not part.to_ask(tools) <= client.scopes:
            text = (
                "The operator has limited what may be asked of this provider. Tick fewer tools, or ask them."
            )
            raise PageError(400, "More than the operator allows", text)
        return client

    async def begin(self, request: AccessRequest, browser: Session, then: Sequence[Errand]) -> str:
        """Set out on the first of the errands, the others to follow; return the provider's URL.

        Raises PageError as `client` does; 409 when that connector is answered already.
        """
        first = then[0]
        part = await self._parts.of(request, first.connector, first.about)
        client, scopes = await self.client(part, first.tools), part.to_ask(first.tools)
        url = await self._connections.flows.begin(
            request.id,
            browser.id,
            part.connector,
            client,
            scopes,
            {**luggage(then), "scopes": sorted(scopes)},
            hint=part.about.label if part.about else None,
        )
        return self._egress.reroute(url)

    async def arrive(self, registration: str, params: Params, browser: Session) -> AccessRequest:
        """Receive a callback: check, redeem, seal; the connection then waits for its person's word.

        Raises PageError 400, 403, 409, 502; TurnedAway when the provider gave no access.
        """
        trip = await self._received(registration, params, browser)
        request = await self._requests.get(trip.request)
        if request.principal != browser.principal:
            raise PageError(403, "This is not your link", "It was made for somebody else.")
        request.refuse_late()
        errand = errands(trip.luggage)[0]
        connector = (await self._parts.of(request, errand.connector, errand.about)).connector
        redirect_uri = self._connections.flows.redirect_uri(registration)
        asked = frozenset(trip.luggage["scopes"])
        await self._connections.connecting.arrive(trip, request.principal, connector, asked, redirect_uri)
        return request

    async def _received(self, registration: str, params: Params, browser: Session) -> Trip:
        """Check a callback; one that brings nothing is in the audit, with the browser it came through."""
        issuers = {name: getattr(c.auth, "issuer", None) for name, c in self._catalog.connectors.items()}
        try:
            return await self._connections.flows.receive(registration, params, browser.id, issuers)
        except PageError as refused:
            facts = {"registration": registration[:63], "session": browser.id, "status": refused.status}
            if isinstance(refused, TurnedAway):
                facts |= {"request": refused.request, "error": refused.code}
            event = AuditEvent("callback.refused", "person", browser.principal, None, facts)
            await self._audit.note(event)
            raise
