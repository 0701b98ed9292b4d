"""Six weeks of nights: people sleep, their agent works, tokens end and rotate, a provider is down once.

Three people's access really ends. Ruth takes it back in her Google account, Sam had given it to Google for
twenty days, and Tess tells the agent on her page to stop. All others never notice that anything happened.
"""

import re
from collections import Counter
from pathlib import Path

import anyio
import pytest

from tests.support.night import OPERATOR, RUTH, SAM, SAMS_DAYS, TESS, Night, asleep
from tests.support.night_agent import NO_GRANT
from tests.support.night_reckoning import rotated, wrong
from tests.support.scale import scaled
from valetkey.demo.person import PersonWithBrowser
from valetkey.model import Outcome

pytestmark = pytest.mark.reliability

PEOPLE = scaled(6, 100)
NIGHTS = 42
THE_END, STORM = SAMS_DAYS, 28
"""The night from which the three have no access, and the one in which Slack is away for an hour."""

THE_THREE = (RUTH, SAM, TESS)
LETTERS = {
    RUTH: ["Your Gmail connection has stopped working"],
    SAM: [
        "Your Gmail connection ends in 14 days",
        "Your Gmail connection ends in 3 days",
        "Your Gmail connection has stopped working",
    ],
    TESS: ["asks whether it may do something for you"],
}
"""What each of the three is written, and when it was too late what to do; nobody else is written to."""

SUMMARIES = [
    "expiry: 1 end within 14 days",
    "of 2 the person has to reconnect: 2 gmail",
    "refresh: slack fails for",
]
"""What the operator is written in six weeks: Sam's end ahead, the morning after, the hour without Slack."""


async def test_six_weeks_of_nights(tmp_path: Path) -> None:
    with anyio.fail_after(60 * PEOPLE):
        async with asleep(tmp_path, PEOPLE) as night:
            await night.nights(THE_END - 1)
            assert not night.agent.told, "tokens end every hour, and the agent does not notice"
            await ruth_takes_it_back_at_google(night)
            await tess_lets_the_agent_stop(night)
            await night.nights(STORM - THE_END)
            await night.one_night(down="slack")
            await night.nights(NIGHTS - STORM)
            await everything_is_done_but_for_the_three(night)
            await each_of_the_three_finds_one_line(night)
            each_is_told_once_and_the_operator_too(night)
            assert rotated(night) > NIGHTS * len(night.people)
            assert await wrong(night, ended=(RUTH, SAM)) == []
            await ruth_connects_again_and_her_nights_go_on(night)


async def ruth_takes_it_back_at_google(night: Night) -> None:
    assert night.here.sandbox.google.revoke(night.people[RUTH].account) == 1


async def tess_lets_the_agent_stop(night: Night) -> None:
    grant = (await night.agent.standing())[TESS]
    async with PersonWithBrowser() as browser:
        await night.here.sign_in(browser, f"{night.here.url}/mine/grants/{grant}", TESS)
        await browser.press(f"{grant}/revoke")


async def everything_is_done_but_for_the_three(night: Night) -> None:
    expected = {
        f"{name}, night {number}"
        for name in night.people
        for number in range(1, THE_END if name in THE_THREE else NIGHTS + 1)
    }
    assert sorted(night.agent.written) == sorted(expected), "each once"
    nights_after = NIGHTS - THE_END + 1
    told = Counter({key: count for key, count in night.agent.told.items() if key[1] != Outcome.UNAVAILABLE})
    assert told == {
        (RUTH, Outcome.RECONNECT): nights_after,
        (SAM, Outcome.RECONNECT): nights_after,
        (TESS, NO_GRANT): nights_after,
    }
    away = {name for name, outcome in night.agent.told if outcome == Outcome.UNAVAILABLE}
    assert away == {
        name
        for name, person in night.people.items()
        if name != TESS and any(one.connector == "slack" for one in person.connections)
    }


async def each_of_the_three_finds_one_line(night: Night) -> None:
    nights_after = NIGHTS - THE_END + 1
    for name, mornings in night.waited.items():
        lines = {0: THE_END - 1, 1: nights_after} if name in THE_THREE else {0: NIGHTS}
        assert mornings == lines, name
    for name in THE_THREE:
        async with PersonWithBrowser() as browser:
            await night.here.sign_in(browser, f"{night.here.url}/mine/waiting", name)
            assert len(re.findall("Look and decide", browser.page)) == 1


def each_is_told_once_and_the_operator_too(night: Night) -> None:
    expected = {OPERATOR: SUMMARIES} | {
        person.account: LETTERS.get(name, []) for name, person in night.people.items()
    }
    for address, lines in expected.items():
        letters = [str(one.get_content()).partition("\r\n\r\n") for one in night.box.to(address)]
        assert [line in told for (told, _, _), line in zip(letters, lines, strict=True)] == [True] * len(
            lines
        )
        assert not any(more.startswith("- ") for _, _, more in letters), "one line in each"


async def ruth_connects_again_and_her_nights_go_on(night: Night) -> None:
    (request,) = await night.waiting_for(RUTH)
    await night.here.approve(night.here.house.requests.link(request), RUTH, night.people[RUTH].account)
    assert await night.waiting_for(RUTH) == []
    await night.one_night()
    assert f"{RUTH}, night {NIGHTS + 1}" in night.agent.written
