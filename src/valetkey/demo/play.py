"""`valetkey demo`: the whole story on this machine, played by real parts; for a person to watch."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from rich.console import Console

from valetkey.assemble import service_tasks
from valetkey.demo.account import Account
from valetkey.demo.agent import PROTOCOL
from valetkey.demo.approving import AtTheScreen, InTheirOwnBrowser
from valetkey.demo.person import PersonWithBrowser
from valetkey.demo.proofs import counts_tokens, shows_audit
from valetkey.demo.scenes import SCENES, Story, StoryEnds
from valetkey.demo.stage import AGENT, ANA, BEN, Stage, home, stage
from valetkey.model import HOUR

ATTACHED = "claude-code"
"""The agent that somebody's own client is, when it is attached."""


async def play(console: Console, *, open_browser: bool = False, keep: bool = False) -> None:
    """Play the demo on `console`; everything that it starts has ended when it returns.

    `open_browser`: whoever watches answers Ana's links. `keep`: it all stays, until a signal comes.
    Raises ConfigError when the server cannot start here.
    """
    tell = Account(console)
    with home(keep=keep) as folder:
        async with stage(folder) as here:
            _opening(tell, here)
            async with _until_a_signal(), _story(here, tell, open_browser=open_browser) as story:
                await _played(story)
                await _attach(story, keep=keep)
        if keep:
            tell.aside(f"Stopped. The home of this demo is left in {folder}")


def _opening(tell: Account, here: Stage) -> None:
    parts = (
        ("Google", f"and Slack are played by a sandbox, at {here.providers_url}"),
        ("Valetkey", f"is the real server, at {here.url}"),
        ("Ana", "and Ben have joined it, and have connected nothing"),
        (AGENT, f"is their agent: a script and no model, on the real MCP client ({PROTOCOL}, HTTP)"),
    )
    tell.opening("One delegated call, from beginning to end", parts)


@asynccontextmanager
async def _story(here: Stage, tell: Account, *, open_browser: bool) -> AsyncIterator[Story]:
    """Put everybody in their places."""
    async with PersonWithBrowser() as ana_s, PersonWithBrowser() as ben_s:
        ana, ben = AtTheScreen(here, tell, ANA, ana_s), AtTheScreen(here, tell, BEN, ben_s)
        watching = InTheirOwnBrowser(here, tell, ANA)
        yield Story(here, tell, ana, ben, watching.approve if open_browser else ana.approve)


async def _played(story: Story) -> None:
    with _cut_short(story.tell):
        for scene in SCENES:
            await scene(story)
    await shows_audit(story)
    await counts_tokens(story)


@contextmanager
def _cut_short(tell: Account) -> Iterator[None]:
    """What was decided otherwise is on record as well."""
    try:
        yield
    except StoryEnds:
        tell.aside("The story was to go on from here; you decided otherwise.")


async def _attach(story: Story, *, keep: bool) -> None:
    """Say how a client of one's own is attached, and leave everything running if it is to be kept."""
    tell, here = story.tell, story.here
    token = await here.token(ANA, ATTACHED, HOUR)
    tell.scene("Attach a client of your own")
    if not keep:
        kept = "`make demo KEEP=1` or `valetkey demo --keep`"
        tell.aside(f"This server stops now. To attach your own, run {kept}, which prints this line whole:")
        tell.line_to_copy(attach_line(here.url, f"{token[:12]}…"))
        return
    tell.line_to_copy(attach_line(here.url, token))
    tell.aside(
        f"For an hour it acts for Ana, as {ATTACHED}. It may do nothing yet: its first call brings a link."
    )
    tell.says("sign in", f"as  {ANA.name}  with the password  {ANA.password}")
    by_hand = (
        f"VALETKEY_URL={here.url} VALETKEY_TOKEN=(the one above) .venv/bin/python examples/bare_client.py"
    )
    tell.says("by hand", by_hand)
    tell.says("her page", f"{here.url}/mine")
    tell.says("audit", f"VALETKEY_HOME={here.home} valetkey audit list")
    tell.says("Valetkey", "and everything else stay until Ctrl-C")
    await anyio.sleep_forever()


def attach_line(url: str, token: str) -> str:
    """The command that attaches Claude Code."""
    return f'claude mcp add --transport http valetkey {url}/mcp --header "Authorization: Bearer {token}"'


@asynccontextmanager
async def _until_a_signal() -> AsyncIterator[None]:
    """Run the block until it ends or a signal asks to stop; what stands around it then closes in order."""
    async with service_tasks() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _stop_on_signal(block: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            block.cancel()
