"""What a person's answer to an access request does.

The pages have checked who is there, that the form is ours, and the password; here is what follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from valetkey.connections import Connections, Params, Typed
from valetkey.errors import PageError
from valetkey.grants import LASTS, USES, Given, Grants, Terms
from valetkey.needs.parts import Part, Parts
from valetkey.needs.pasted import PastedSecrets
from valetkey.needs.request import AccessRequest
from valetkey.needs.requests import Requests
from valetkey.needs.trips import Errand, Trips, errands, luggage
from valetkey.people import Session
from valetkey.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Choice:
    """What was ticked, on what terms, and what was typed and picked by connector.

    `tools` are entries of a grant; `accounts` are connections, or ANOTHER.
    """

    tools: frozenset[str]
    terms: Terms
    accounts: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, Typed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Next:
    """Where a person goes now: to a provider, to a new connection to confirm, else back to the request."""

    provider: str | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class _Ticked:
    """A part of a request and the tools that were ticked of it, if any."""

    part: Part
    tools: list[str]

    @property
    def name(self) -> str:
        return self.part.connector.name

    def errand(self, terms: Terms) -> Errand:
        return Errand(self.name, self.tools, self.part.about.id if self.part.about else None, terms)

    @property
    def pasted(self) -> bool:
        return bool(self.tools and self.part.paste)

    @property
    def trip(self) -> bool:
        return bool(self.tools) and self.part.paste is None and self.part.connects(self.tools)

    @property
    def at_hand(self) -> bool:
        """Whether nothing has to be connected for what was ticked."""
        return not self.pasted and not self.trip


class Answers:
    """Carries out what people decide about access requests."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        grants: Grants,
        requests: Requests,
        parts: Parts,
        trips: Trips,
        pasted: PastedSecrets,
        most: int,
    ) -> None:
        self._store, self._connections, self._grants, self._requests = store, connections, grants, requests
        self._parts, self._trips, self._pasted, self._most = parts, trips, pasted, most

    async def approve(self, request: AccessRequest, browser: Session, choice: Choice) -> Next:
        """Give what lacks no more than that, keep what was pasted, and set out for the rest.

        Raises PageError 400: a choice the page did not offer; 409: answered already, or more connections
        than anybody may have; 503: the operator has to do something first; NotTaken: a secret is no good.
        Then nothing has changed.
        """
        request.refuse_late()
        ticked = await self._ticked(request, choice)
        await self._refuse_many(request, [one.part for one in ticked if not one.at_hand])
        for one in ticked:
            if one.trip:
                await self._trips.client(one.part, one.tools)
        pasted, at_hand = [one for one in ticked if one.pasted], [one for one in ticked if one.at_hand]
        tried = await self._pasted.tried(request, [one.part.connector for one in pasted], choice.typed)
        trips = [one.errand(choice.terms) for one in ticked if one.trip]
        async with self._store.transaction() as tx:
            for secret, one in zip(tried, pasted, strict=True):
                rides = luggage([one.errand(choice.terms), *trips])
                await self._connections.pasting.keep(tx, secret, request.principal, request.id, rides)
            met = await self._give(tx, request, at_hand, choice)
        if met:
            self._requests.announce(request)
        if pasted or not trips:
            return Next(confirm=bool(pasted))
        return Next(await self._trips.begin(request, browser, trips))

    async def _refuse_many(self, request: AccessRequest, parts: Sequence[Part]) -> None:
        """Whatever renews a connection is let through."""
        new = sum(part.about is None for part in parts)
        if new and await self._connections.rows.count(request.principal) + new > self._most:
            text = f"Nobody has more than {self._most} connections. Disconnect one on your own page first."
            raise PageError(409, "Too many connections", text)

    async def decline(self, request: AccessRequest) -> None:
        """Raises PageError 409 when it was answered already."""
        request.refuse_late()
        async with self._store.transaction() as tx:
            await self._requests.settle(tx, request, "declined")
        self._requests.announce(request)

    async def arrive(self, registration: str, params: Params, browser: Session) -> AccessRequest:
        """Receive a callback; the connection then waits for `confirm`. Raises as `Trips.arrive` does."""
        return await self._trips.arrive(registration, params, browser)

    async def confirm(self, request: AccessRequest, browser: Session) -> Next:
        """The person says the account is theirs: connection and grant count from here.

        Raises PageError 404, 409.
        """
        request.refuse_late()
        waiting = await self._parts.waiting(request)
        errand, *then = errands(waiting.luggage)
        part = await self._parts.of(request, errand.connector, errand.about)
        async with self._store.transaction() as tx:
            met = await self._requests.answered(tx, request, [errand.connector])
            connection = await self._connections.connecting.settle(tx, waiting.connection, errand.about)
            given = part.given(errand.tools, errand.terms)
            await self._give_on(tx, request, connection.id, given)
        if met:
            self._requests.announce(request)
        return await self._onward(request, browser, then)

    async def reject(self, request: AccessRequest) -> None:
        """The person says it is not the account they meant: it is given back, and they can try again."""
        waiting = await self._parts.waiting(request)
        await self._connections.revocation.revoke(waiting.connection, "person")

    async def _ticked(self, request: AccessRequest, choice: Choice) -> list[_Ticked]:
        parts = await self._parts.left(request, choice.accounts)
        ticked = [_Ticked(part, part.ticked(choice.tools)) for part in parts]
        offered = {tool for one in ticked for tool in one.tools}
        if not choice.tools or choice.tools != offered or not _offered(choice.terms):
            raise PageError(400, "Choose again", "Tick at least one tool, and pick for how long.")
        return ticked

    async def _give(
        self, tx: Transaction, request: AccessRequest, ticked: Sequence[_Ticked], choice: Choice
    ) -> bool:
        """Give what is ticked of connections that are there; whether that meets the request.

        A connector of which nothing was ticked is passed over: nobody has said no to it for good.
        """
        for one in ticked:
            if one.tools and one.part.about:
                given = one.part.given(one.tools, choice.terms)
                await self._give_on(tx, request, one.part.about.id, given)
        return await self._requests.answered(tx, request, [one.name for one in ticked])

    async def _give_on(self, tx: Transaction, request: AccessRequest, connection: str, given: Given) -> None:
        """Give the agent that asks what was ticked; where its person asks, nobody is given anything."""
        if not request.own:
            await self._grants.give(tx, request.principal, request.actor, [connection], given)

    async def _onward(self, request: AccessRequest, browser: Session, then: Sequence[Errand]) -> Next:
        """After one connection the next one that waits, then the trips that remain."""
        now = await self._requests.get(request.id)
        if await self._connections.connecting.waiting(now.id, now.principal, now.left):
            return Next(confirm=True)
        trips = [errand for errand in then if errand.connector in now.left]
        return Next(await self._trips.begin(now, browser, trips)) if trips else Next()


def _offered(terms: Terms) -> bool:
    return terms.lasts in LASTS.values() and terms.uses in USES.values()
