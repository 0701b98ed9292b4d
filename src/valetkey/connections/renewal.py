"""What the holder of a lease does: spend the refresh token.

Nothing here decides when a refresh is due; what becomes of the new tokens is in `storing`, and of a refresh
that brings none in `setbacks`.
"""

from dataclasses import replace

from valetkey.connections.answer import Answer
from valetkey.connections.circuit import Circuits
from valetkey.connections.endpoint import TokenEndpoint
from valetkey.connections.lease import Lease, let_go, loses
from valetkey.connections.registrations import Registrations
from valetkey.connections.schedule import refreshing
from valetkey.connections.setbacks import Refusal, Setbacks, as_it_is, code, reconnect, registration
from valetkey.connections.storing import Storing
from valetkey.connections.tokensets import Held
from valetkey.connections.verdict import Verdict, classify, looks_stolen
from valetkey.errors import (
    EgressAnswerLost,
    EgressBadAnswer,
    EgressError,
    IntegrityError,
    OAuthRefused,
    UsageError,
)
from valetkey.manifest import Connector
from valetkey.model import Clock, TokenSet
from valetkey.store import Store


class Renewal:
    """Spends refresh tokens."""

    def __init__(
        self,
        store: Store,
        registrations: Registrations,
        endpoint: TokenEndpoint,
        storing: Storing,
        setbacks: Setbacks,
        circuits: Circuits,
        clock: Clock,
    ) -> None:
        self._store, self._registrations, self._endpoint = store, registrations, endpoint
        self._storing, self._setbacks, self._circuits, self._clock = storing, setbacks, circuits, clock

    async def spend(self, held: Held, connector: Connector, lease: Lease, *, useless: bool) -> Held | None:
        """Spend the refresh token once; once more, the same one, when no usable answer came.

        `useless` says that the access token at hand cannot serve meanwhile. None: the lease went to
        somebody else, so look again. Raises CallError.
        """
        if (tokens := self._storing.unsaved(held)) is not None:  # spent already, and answered
            return await self._storing.saved(held, connector, tokens)
        error: Refusal
        for _ in range(1 if lease.lost else 2):  # after a lost answer there is nothing left to lose: once
            sent = self._clock.now()
            try:
                answer = await self._ask(held, connector, lease)
            except (EgressAnswerLost, EgressBadAnswer) as lost:
                lease, error = replace(lease, lost=loses(refreshing(connector))), lost
            except (OAuthRefused, EgressError) as refusal:
                error = refusal
                break
            else:
                if answer is None:
                    await let_go(self._store, held, lease)
                    return None
                self._circuits.answered(registration(held))
                return await self._storing.saved(held, connector, _renewed(held.tokens, answer, sent))
        return await self._refused(held, connector, lease, error, useless=useless)

    async def _ask(self, held: Held, connector: Connector, lease: Lease) -> Answer | None:
        """Ask; None, and nothing was sent: held up since, so that somebody else may be about to take it."""
        if held.tokens.refresh is None:
            raise AssertionError("a lease is taken only for a set with a refresh token")
        try:
            client = await self._registrations.of(self._store, registration(held), connector)
        except (UsageError, IntegrityError):  # ours to mend, as if the provider had said so
            raise OAuthRefused("invalid_client", 0) from None
        if self._clock.now() > lease.begin_until:  # looked at last, just before the request
            return None
        return await self._endpoint.refresh(connector, client, held.tokens.refresh)

    async def _refused(
        self, held: Held, connector: Connector, lease: Lease, error: Refusal, *, useless: bool
    ) -> Held | None:
        verdict = classify(refreshing(connector), error, held.row, self._clock.now())
        if verdict is Verdict.DEAD:
            await self._dead(held, connector, lease, error)
            return None
        wait = await self._setbacks.later(held, lease, error, verdict)
        return None if wait is None else as_it_is(held, connector, wait=wait, useless=useless)

    async def _dead(self, held: Held, connector: Connector, lease: Lease, error: Refusal) -> None:
        """End a token set. Raises CallError, unless another holder is at it or had better luck."""
        self._circuits.answered(registration(held))
        reason = "refresh_answer_lost" if lease.lost else code(error)
        now = self._clock.now()
        stolen = not lease.lost and looks_stolen(refreshing(connector), held.tokens, held.version, now)
        if await self._setbacks.died(held, reason, lease, stolen=stolen):
            raise reconnect(connector)


def _renewed(old: TokenSet, answer: Answer, sent: int) -> TokenSet:
    """The token set after a good answer: what it does not say stays as it was (RFC 6749 section 6)."""
    told = None if answer.refresh_lasts is None else sent + answer.refresh_lasts
    return replace(
        old,
        access=answer.access,
        refresh=answer.refresh or old.refresh,
        issued_at=sent,
        expires_at=None if answer.lasts is None else sent + answer.lasts,
        scopes=old.scopes if answer.scopes is None else answer.scopes,
        refresh_until=told if told or answer.refresh else old.refresh_until,
    )
