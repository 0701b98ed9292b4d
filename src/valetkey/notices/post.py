"""How letters leave: by mail, by webhook, or both; tried until taken, and never more than once after that.

A person's letter goes to their proved address alone. What it says is `words`' business, when it is tried the
outbox's.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from valetkey.connections import Connections
from valetkey.egress import Egress, Limits, Mail, MailServer, origin_of
from valetkey.errors import EgressBadAnswer, EgressError, IntegrityError, UsageError, where
from valetkey.model import Clock, ConnectionState, Ids, Json, Principal
from valetkey.notices import noticing
from valetkey.notices.addresses import Addresses
from valetkey.notices.outbox import Letter, Notice, Outbox
from valetkey.notices.secrets import SmtpPassword
from valetkey.notices.signing import moment, signed
from valetkey.notices.words import CODE, FAREWELL, Words
from valetkey.settings.notify import NotifySettings
from valetkey.store import Store
from valetkey.vault import KeyRing

_log = logging.getLogger(__name__)
_LIMITS = Limits(seconds=15, bytes=64 * 1024)
_AT_ONCE = 8
_ROUNDS_SECONDS = 20
"""For how long letters are claimed in one go of the job, which has others to do."""


@dataclass(frozen=True, slots=True)
class _Message:
    """What leaves: `to` is an address, or `operator`."""

    id: str
    kind: str
    to: str
    subject: str
    text: str
    notices: list[dict[str, Json]]


class Post:
    """Carries letters. `settings` say by which ways; without any nothing is ever tried."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        egress: Egress,
        outbox: Outbox,
        addresses: Addresses,
        connections: Connections,
        password: SmtpPassword,
        words: Words,
        settings: NotifySettings,
        ids: Ids,
        clock: Clock,
        url: str,
    ) -> None:
        self._store, self._keys, self._egress, self._outbox = store, keys, egress, outbox
        self._addresses, self._rows, self._password, self._words = (
            addresses,
            connections.rows,
            password,
            words,
        )
        self._settings, self._ids, self._clock, self._url = settings, ids, clock, url

    @property
    def reaches_people(self) -> bool:
        """Whether there is a way to a person's address."""
        return bool(self._settings.ways_to_people)

    @property
    def reaches_operator(self) -> bool:
        """Whether there is a way to the operator."""
        return bool(self._settings.ways_to_operator)

    async def deliver(self) -> None:
        """Try what is due, several side by side; what is not begun in time waits for its next turn."""
        with anyio.move_on_after(_ROUNDS_SECONDS):
            while letters := await self._outbox.claim():
                await self._try(letters)

    async def send_code(self, principal: Principal, address: str) -> None:
        """Send the code that proves an address.

        Raises UsageError for no address, or where it could not be sent; PageError 429.
        """
        code = await self._addresses.give(principal, address)
        text = CODE.format(url=self._url, code=code)
        try:
            await self._carry(self._plain("code", address, "Valetkey: your code", text), people=True)
        except EgressError as error:
            raise UsageError(f"The code could not be sent: {error}. Try again later.") from None

    async def say_goodbye(self, address: str) -> None:
        """Tell an address that it is not used any more; once, for nobody waits for it."""
        text = FAREWELL.format(url=self._url)
        try:
            await self._carry(
                self._plain("farewell", address, "Valetkey: no more notices here", text), people=True
            )
        except EgressError:
            return

    async def test(self) -> dict[str, str]:
        """Try every way there is to the operator, and say of each what came of it."""
        text = f"This is a test of the server at {self._url}: notices arrive here."
        message = self._plain("test", "operator", "Valetkey: a test", text)
        told = {}
        for way in self._ways(people=False):
            try:
                await self._by(way, message)
                told[way] = "taken"
            except EgressError as error:
                told[way] = str(error)
        return told

    async def _try(self, letters: list[Letter]) -> None:
        room = anyio.CapacityLimiter(_AT_ONCE)

        async def one(letter: Letter) -> None:
            async with room:
                with anyio.CancelScope(shield=True):  # what is under way is finished: it has its own deadline
                    await self._sent_alone(letter)

        async with anyio.create_task_group() as tasks:
            for letter in letters:
                tasks.start_soon(one, letter)

    async def _sent_alone(self, letter: Letter) -> None:
        """Try one; what goes wrong with it stops none of the others."""
        try:
            await self._send(letter)
        except Exception as error:  # noqa: BLE001 - it is one of many
            _log.error("a letter could not be tried: %s", where(error))
            await self._outbox.later(letter, "it could not be written; the log says more")

    async def _send(self, letter: Letter) -> None:
        standing = [notice for notice in letter.notices if await self._stands(notice)]
        for notice in letter.notices:
            if notice not in standing:
                await self._outbox.over(notice)
        if not standing:
            return
        letter = Letter(letter.id, letter.principal, tuple(standing), letter.tries)
        to = await self._to(letter.principal)
        if to is None:
            for notice in standing:
                await self._outbox.over(notice)
            return
        await self._sent_to(to, letter)

    async def _sent_to(self, to: str, letter: Letter) -> None:
        try:
            await self._carry(self._message(letter, to), people=letter.principal is not None)
        except EgressError as error:
            await self._outbox.later(letter, str(error))
        else:
            await self._outbox.sent(letter)

    async def _to(self, principal: Principal | None) -> str | None:
        """Where a letter goes; None where nobody is written to any more."""
        if principal is None:
            return "operator" if self.reaches_operator else None
        try:
            given = await self._addresses.of(self._store, principal) if self.reaches_people else None
        except IntegrityError:  # damaged, which the audit has been told
            return None
        return given.address if given else None

    async def _stands(self, notice: Notice) -> bool:
        """Whether it still has to be told: its person may have seen to it meanwhile."""
        if notice.principal is None:
            return True
        if connection := notice.facts.get("connection"):
            found = await self._rows.get(self._store, str(connection))
            wanted = _BEFORE if notice.kind == noticing.EXPIRING else _AFTER
            return found is not None and found.state is wanted
        if request := notice.facts.get("request"):
            return await self._store.one(_OPEN, str(request), self._clock.now()) is not None
        return True

    def _message(self, letter: Letter, to: str) -> _Message:
        notices: list[dict[str, Json]] = [
            {"kind": one.kind, "text": self._words.line(one)} for one in letter.notices
        ]
        subject, text = self._words.subject(letter), self._words.text(letter)
        kind = "operator.notice" if letter.principal is None else "person.notice"
        return _Message(letter.id, kind, to, subject, text, notices)

    def _plain(self, kind: str, to: str, subject: str, text: str) -> _Message:
        return _Message(self._ids.new("let"), kind, to, subject, text, [])

    def _ways(self, *, people: bool) -> list[str]:
        """By which ways a message leaves: people's by one, so that they get it once."""
        if people:
            return self._settings.ways_to_people[:1]
        return self._settings.ways_to_operator

    async def _carry(self, message: _Message, *, people: bool) -> None:
        """By every way there is; one that takes it is enough. Raises the last EgressError where none does."""
        problem: EgressError | None = EgressBadAnswer("there is no way to send it: see [notify]")
        for way in self._ways(people=people):
            try:
                await self._by(way, message)
                problem = None
            except EgressError as error:
                problem = problem and error
        if problem is not None:
            raise problem

    async def _by(self, way: str, message: _Message) -> None:
        await (self._mailed(message) if way == "mail" else self._posted(message))

    async def _mailed(self, message: _Message) -> None:
        smtp = self._settings.smtp
        if smtp is None:
            raise EgressBadAnswer("there is no mail server: see [notify.smtp]")
        try:
            password = await self._password.get() if smtp.username else None
        except IntegrityError:
            raise EgressBadAnswer(
                "the mail server's password does not open: `valetkey notify password`"
            ) from None
        server = MailServer(smtp.host, smtp.port, smtp.security, smtp.username, password)
        to = self._settings.operator or "" if message.to == "operator" else message.to
        await self._egress.mail(
            server, Mail(message.id, smtp.sender, to, message.subject, message.text, self._clock.now())
        )

    async def _posted(self, message: _Message) -> None:
        webhook = self._settings.webhook
        if webhook is None:
            raise EgressBadAnswer("there is no webhook: see [notify.webhook]")
        now = self._clock.now()
        await self._keys.reload(self._store, self._clock)  # the secret may have been replaced elsewhere
        request = signed(self._keys, webhook.url, message.id, now, _payload(message, now))
        answer = await self._egress.send(request, origins=frozenset({origin_of(webhook.url)}), limits=_LIMITS)
        if not 200 <= answer.status < 300:
            raise EgressBadAnswer(f"the webhook answered {answer.status}")


def _payload(message: _Message, at: int) -> Mapping[str, Json]:
    data: dict[str, Json] = {"to": message.to, "subject": message.subject, "text": message.text}
    return {
        "type": f"valetkey.{message.kind}",
        "timestamp": moment(at),
        "data": {**data, "notices": message.notices},
    }


_BEFORE, _AFTER = ConnectionState.CONNECTED, ConnectionState.NEEDS_REAUTH
_OPEN = "SELECT 1 FROM access_requests WHERE id = $1 AND state = 'open' AND until > $2"
