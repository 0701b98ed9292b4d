"""The stdio server itself: the same handlers, the same calls, one caller for as long as the pipe is open."""

import anyio
from anyio import CancelScope

from valetkey.assemble import House, service_tasks, sign_head
from valetkey.errors import Unauthenticated, UsageError
from valetkey.model import Actor, Caller, Secret
from valetkey.people import valid_name
from valetkey.server.build import build
from valetkey.server.callers import Callers, LocalCallers, TokenCallers
from valetkey.server.changes import Changes
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.server.handlers import Handlers
from valetkey.server.pipe import serve_pipe
from valetkey.stdio.callback import Callback

LOCAL_AGENT = "local"


async def serve_stdio(
    house: House, token: Secret | None, account: str, stop: anyio.Event, *, hold: float = HOLD_SECONDS
) -> None:
    """Serve one client on stdin and stdout until its end is closed, or `stop` is set.

    With a token, for whom it says; without, for the owner, who is made at the first start and named
    after `account`. Returns once no page is being served any more. Raises UsageError when the token is
    not good to begin with.
    """
    house.ground.gate.refuse_to_serve()
    callers = await _callers(house, token, account)
    async with service_tasks() as serving:
        callback = Callback(house, serving)
        try:
            await _serve(house, callers, callback, stop, hold)
        finally:
            callback.leave()
    await sign_head(house.ground)


async def _serve(house: House, callers: Callers, callback: Callback, stop: anyio.Event, hold: float) -> None:
    handlers = Handlers(
        house.calls,
        house.grants,
        house.requests,
        callers,
        house.ground.ids,
        hold,
        reachable=callback.reachable,
    )
    changes = Changes(house.ground.store, house.ground.clock)
    server = build(handlers, callers, changes, house.ground.keys, house.ground.public_url)
    async with service_tasks() as tasks:
        tasks.start_soon(callback.run)
        tasks.start_soon(house.jobs.run)
        tasks.start_soon(changes.run)
        tasks.start_soon(house.ground.keys.keks.follow, house.ground.store)
        tasks.start_soon(house.ground.gate.watch)
        tasks.start_soon(_cancel_at, stop, tasks.cancel_scope)
        await serve_pipe(server)
        tasks.cancel_scope.cancel()


async def _cancel_at(stop: anyio.Event, scope: CancelScope) -> None:
    await stop.wait()
    scope.cancel()


async def _callers(house: House, token: Secret | None, account: str) -> Callers:
    if token is None:
        return LocalCallers(house.calls.policy, await _owner(house, account))
    try:
        return await TokenCallers.of(house.identity, house.calls.policy, token)
    except Unauthenticated as refused:
        text = f"VALETKEY_TOKEN: {refused}; `valetkey tokens mint` makes another"
        raise UsageError(text) from None


async def _owner(house: House, account: str) -> Caller:
    async with house.ground.store.transaction() as tx:  # of two first starts at once, one finds the other's
        owner = await house.accounts.owner(tx) or await house.accounts.add(tx, valid_name(account))
        agent = await house.agents.named(tx, LOCAL_AGENT)
    return Caller(owner.principal, Actor(agent.id), session=LOCAL_AGENT)
