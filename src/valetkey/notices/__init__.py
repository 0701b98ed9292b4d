"""Telling somebody before it breaks: what people and the operator have to know, and that it reaches them.

`Notices` is the room's front. `noticing` reads what people are told off the audit, `survey` says how all
stands, `outbox` keeps what is told once, `post` carries it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from valetkey.model import Principal
from valetkey.notices.addresses import Addresses, Given
from valetkey.notices.noticing import Noticing
from valetkey.notices.outbox import Outbox
from valetkey.notices.post import Post
from valetkey.notices.secrets import SmtpPassword, new_webhook_key
from valetkey.notices.signing import secret_text
from valetkey.notices.summary import Summary
from valetkey.notices.survey import Line, Survey
from valetkey.store import Transaction


@dataclass(frozen=True, slots=True)
class Notices:
    """Everything about telling, by part."""

    addresses: Addresses
    noticing: Noticing
    outbox: Outbox
    post: Post
    password: SmtpPassword
    summary: Summary
    survey: Survey

    async def forget(self, tx: Transaction, principal: Principal) -> None:
        """Forget where a person is written to, and what they would have been told."""
        await self.addresses.forget(tx, principal)
        await self.outbox.forget(tx, principal)

    @property
    def jobs(self) -> Sequence[Callable[[], Awaitable[object]]]:
        """What happens by itself, once a minute."""
        return (self.noticing.look, self.summary.look, self.post.deliver, self.outbox.sweep)


__all__ = [
    "Addresses",
    "Given",
    "Line",
    "Notices",
    "Post",
    "SmtpPassword",
    "Survey",
    "new_webhook_key",
    "secret_text",
]
