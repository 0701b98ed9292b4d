"""The scenes of the demo, in order. Each calls, approves or withdraws something for real and tells of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from valetkey.demo.account import Account
from valetkey.demo.agent import Answer, Ask, attached
from valetkey.demo.approving import Approve, AtTheScreen
from valetkey.demo.stage import AGENT, ANA, BEN, Character, Stage
from valetkey.errors import ValetkeyError
from valetkey.model import HOUR, Json

TASK = "Read the last five unread mails from my teammate Ben and post a summary to #support."
UNREAD = {"from": BEN.email, "limit": 5}
CHANNEL = "#support"
PROVIDERS = {"Gmail": "Google", "Slack": "Slack"}
"""Whose consent page a link leads to, by the connector that its message begins with."""


class StoryEnds(ValetkeyError):
    """Whoever plays Ana decided otherwise: what comes next would make no sense."""


@dataclass(slots=True)
class Story:
    """What the scenes share. `heard` is every byte that agents received, `mail` what Ana's agent read."""

    here: Stage
    tell: Account
    ana: AtTheScreen
    ben: AtTheScreen
    answers_for_ana: Approve
    heard: bytearray = field(default_factory=bytearray)
    mail: list[Json] = field(default_factory=list)

    async def call(self, who: Character, ask: Ask, tool: str, arguments: Json) -> Answer:
        """Have the agent call a tool for somebody; `ask` is how their client shows them a link."""
        token = await self.here.token(who, AGENT, HOUR)
        self.tell.calls(AGENT, tool, arguments)
        async with attached(self.here.url, token, ask, self.heard) as agent:
            return await agent.call(tool, arguments)

    async def call_for_ana(self, tool: str, arguments: Json) -> Answer:
        """Have it call for Ana, who answers links. Raises StoryEnds when the call is refused."""
        answer = await self.call(ANA, self._ask_ana, tool, arguments)
        if answer.refused:
            self.tell.refused(AGENT, answer.text)
            raise StoryEnds("the call was refused")
        return answer

    async def _ask_ana(self, message: str, link: str) -> str:
        self.tell.waits("Ana", message, link)
        await self.answers_for_ana(link, PROVIDERS[message.partition(":")[0]])
        return "accept"


Scene = Callable[[Story], Awaitable[None]]


async def ana_asks(story: Story) -> None:
    """Nothing is connected: the first call brings a link, and comes back with the mail."""
    story.tell.scene("Ana asks her agent; nothing is connected")
    story.tell.quotes("Ana", TASK)
    answer = await story.call_for_ana("gmail.list_unread", UNREAD)
    story.mail = answer.items
    story.tell.good(AGENT, f"the same call returns {len(answer.items)} mails", answer.seconds)
    story.tell.listed(_lines(answer.items))


async def ana_posts(story: Story) -> None:
    """The second call needs another account, and so one more link."""
    story.tell.scene("The summary goes to Slack: one more link")
    summary = _summary(story.mail)
    answer = await story.call_for_ana("slack.post_message", {"channel": CHANNEL, "text": summary})
    story.tell.good(AGENT, f"the same call posts to {CHANNEL}", answer.seconds)
    story.tell.quotes("", summary)


async def ana_asks_again(story: Story) -> None:
    """What was allowed stays allowed, for as long as Ana picked."""
    story.tell.scene("The same again: nobody is asked anything")
    answer = await story.call_for_ana("gmail.list_unread", UNREAD)
    story.tell.good(AGENT, f"{len(answer.items)} mails", answer.seconds)
    post = {"channel": CHANNEL, "text": _summary(answer.items)}
    answer = await story.call_for_ana("slack.post_message", post)
    story.tell.good(AGENT, "posted", answer.seconds)


async def ben_asks(story: Story) -> None:
    """Another person, the same server and agent: a link of his own, and mail of his own."""
    story.tell.scene("Ben asks the same agent, on the same server")

    async def ask_ben(message: str, link: str) -> str:
        story.tell.waits("Ben", message, link)
        story.tell.says("Ana", "opens Ben's link, which is not for her")
        story.tell.refused("Valetkey", f"“{await story.ana.look_at(link)}”")
        await story.ben.approve(link, "Google")
        return "accept"

    answer = await story.call(BEN, ask_ben, "gmail.list_unread", {"limit": 5})
    story.tell.good(AGENT, f"the same call returns {len(answer.items)} mails, none of Ana's", answer.seconds)
    story.tell.listed(_lines(answer.items))


async def ana_revokes(story: Story) -> None:
    """Ana ends it on her own page; the very next call finds out."""
    story.tell.scene("Ana takes it back")
    principal = (await story.here.person(ANA)).principal
    house = story.here.house
    [gmail] = await house.connections.rows.live(house.ground.store, principal, "gmail")
    heading, text = await story.ana.disconnect(gmail.id)
    story.tell.says("Ana", "presses Disconnect beside Gmail, on her own page")
    story.tell.good("Valetkey", f"{heading}. {text}")
    answer = await story.call(ANA, _nobody_there, "gmail.list_unread", UNREAD)
    story.tell.refused(AGENT, answer.text)


SCENES: tuple[Scene, ...] = (ana_asks, ana_posts, ana_asks_again, ben_asks, ana_revokes)


async def _nobody_there(_message: str, _link: str) -> str:
    return "cancel"


def _lines(mail: Iterable[Json]) -> Iterable[Sequence[str]]:
    return ((item["from"].split(" <")[0], item["subject"]) for item in mail)


def _summary(mail: Iterable[Json]) -> str:
    """All the wit there is: an agent with a model would do this better."""
    subjects = [item["subject"].rstrip("?.") for item in mail]
    return f"{len(subjects)} unread mails from Ben: {'; '.join(subjects)}."
