"""What a letter says: plain sentences, one link that signs nobody in, nothing of anybody else's.

Names that others chose are cleaned; of a provider's reason only a plain code is repeated.
"""

import re
from collections.abc import Mapping

from valetkey.manifest import Catalog
from valetkey.manifest.clean import clean
from valetkey.model import DAY, Json
from valetkey.notices import noticing
from valetkey.notices.outbox import Letter, Notice

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_LONGEST_NAME = 80
_REASONS: Mapping[str, str] = {
    "expired": "its time was over",
    "refused": "the other side no longer takes its key",
    "refresh_answer_lost": "an answer of the other side was lost on the way",
}

_FIXED: Mapping[str, str] = {
    noticing.THEFT: "A key of your {connector} connection was used by somebody else, or twice, and works no "
    "more. Look at {connector} whether you know everybody who is signed in there, and reconnect it here.",
    noticing.ASKED: "{agent} asks whether it may do something for you, and waits for your answer.",
    noticing.GIVEN_BACK: "Your {connector} connection has ended here, but {connector} did not confirm that "
    "its access is gone. Remove it there as well.",
    noticing.GUESSING: "Several wrong passwords were tried for your name. If that was not you, somebody is "
    "guessing.",
    noticing.PASSWORD: "Your password was changed. If that was not you, ask the operator for a new "
    "invitation at once.",
    noticing.PASSKEY: "A passkey was added for you. If that was not you, remove it, and tell the operator.",
}

FAREWELL = """\
This address is no longer used for notices of the server at {url}: another was given, or it was removed.

If that was not you, sign in there, change your password, and look at who is signed in.
"""
CODE = """\
Somebody who is signed in at {url} gave this address for notices.
If that was you, type this code there:

    {code}

It is good for fifteen minutes. If it was not you, do nothing: without the code nothing is sent here.
"""


class Words:
    """Writes letters. `url` is where this server's pages are."""

    def __init__(self, catalog: Catalog, url: str) -> None:
        self._catalog, self._url = catalog, url

    def subject(self, letter: Letter) -> str:
        """A line that says how much there is, and nothing that others would learn from."""
        if letter.principal is None:
            return f"Valetkey: {_count(letter, 'thing needs', 'things need')} the operator"
        return f"Valetkey: {_count(letter, 'thing needs', 'things need')} you"

    def text(self, letter: Letter) -> str:
        """The whole letter."""
        lines = "\n\n".join(f"- {self.line(notice)}" for notice in letter.notices)
        return f"{lines}\n\n{self._foot(letter)}\n"

    def line(self, notice: Notice) -> str:
        """One thing, in a sentence or two."""
        facts, connector = notice.facts, self._connector(notice.facts.get("connector"))
        match notice.kind:
            case noticing.NEEDS_REAUTH:
                return (
                    f"Your {connector} connection has stopped working: {_why(facts.get('reason'))}. No agent "
                    "can use it until you reconnect it; what you allowed them is kept."
                )
            case noticing.EXPIRING:
                return (
                    f"Your {connector} connection ends in {_days(facts)}, whatever anybody does. Reconnect "
                    "it before, and your agents notice nothing."
                )
        if sentence := _FIXED.get(notice.kind):
            return sentence.format(connector=connector, agent=_name(facts.get("agent") or "An agent"))
        return " ".join(str(facts[name]) for name in ("text", "to_do") if facts.get(name))

    def _foot(self, letter: Letter) -> str:
        if letter.principal is None:
            return f"`valetkey status` says how it stands now. This is the server at {self._url}."
        return (
            f"See to it here, signed in as yourself: {self._url}/mine\n\n"
            "That link signs nobody in, and nobody asks you for a password by mail.\n"
            "You are written to because you gave this address; change or remove it there."
        )

    def _connector(self, name: Json) -> str:
        found = self._catalog.connectors.get(str(name))
        return str(clean(found.title)) if found else _name(name or "some")


def _count(letter: Letter, one: str, many: str) -> str:
    count = len(letter.notices)
    return f"1 {one}" if count == 1 else f"{count} {many}"


def _why(reason: Json) -> str:
    known = _REASONS.get(str(reason))
    plain = _CODE.fullmatch(str(reason)) if reason else None
    return known or (f"the other side ended it ({plain[0]})" if plain else "the other side ended it")


def _days(facts: Mapping[str, Json]) -> str:
    days = max(1, round(int(facts.get("left", 0)) / DAY))
    return "a day" if days == 1 else f"{days} days"


def _name(value: Json) -> str:
    """A name on one line."""
    return " ".join(str(clean(str(value))).split())[:_LONGEST_NAME]
