"""The stdio server itself: the same handlers, the same calls, one caller for as long as the pipe is open."""

import getpass

from valetkey.assemble import House, service_tasks
from valetkey.model import Actor, Caller, Secret
from valetkey.people import valid_name
from valetkey.server.build import build, serve_pipe
from valetkey.server.callers import Callers, LocalCallers, TokenCallers
from valetkey.server.elicit import HOLD_SECONDS
from valetkey.server.handlers import Handlers
from valetkey.stdio.callback import Callback

LOCAL_AGENT = "local"


async def serve_stdio(house: House, token: Secret | None, *, hold: float = HOLD_SECONDS) -> None:
    """Serve one client on stdin and stdout until its end is closed.

    With a token, for whom it says; without, for the owner, who is made at the first start. Raises
    Unauthenticated when the token is not good to begin with.
    """
    callers = await _callers(house, token)
    async with service_tasks() as tasks:
        callback = Callback(house, tasks)
        tasks.start_soon(callback.run)
        handlers = Handlers(
            house.calls,
            house.grants,
            house.requests,
            callers,
            house.ground.ids,
            hold,
            reachable=callback.reachable,
        )
        server = build(handlers, callers, house.ground.keys, house.ground.public_url)
        await serve_pipe(server)
        tasks.cancel_scope.cancel()


async def _callers(house: House, token: Secret | None) -> Callers:
    if token is not None:
        return await TokenCallers.of(house.identity, token)
    async with house.ground.store.transaction() as tx:
        owner = await house.accounts.owner(tx) or await house.accounts.add(tx, valid_name(getpass.getuser()))
        agent = await house.agents.named(tx, LOCAL_AGENT)
    return LocalCallers(Caller(owner.principal, Actor(agent.id), session=LOCAL_AGENT))
