"""What agents call, again and again, and how the answer tells whose it is."""

from collections.abc import Callable
from dataclasses import dataclass

from valetkey.model import Json
from valetkey.sandbox import BEN


@dataclass(frozen=True, slots=True)
class Step:
    """One tool of one connector.

    `arguments` are made of an account's own mail and the mark of this one call; `right` is told the
    account and the mark that the answer has to be of. `requests`: what one call costs at the provider.
    """

    tool: str
    arguments: Callable[[str, str], dict[str, Json]]
    right: Callable[[str, str, Json], bool]
    requests: int = 1

    @property
    def connector(self) -> str:
        return self.tool.partition(".")[0]


def steps(newest: dict[str, str]) -> list[Step]:
    """The steps there are. `newest` is the id of the newest mail of each account: all of it unread."""
    return [
        Step(
            "notes.whose",
            lambda _, mark: {"mark": mark},
            lambda account, mark, told: told == {"account": account, "mark": mark},
        ),
        Step(
            "notes.write_note",
            lambda _, mark: {"text": mark},
            lambda account, mark, told: (told["owner"], told["text"]) == (account, mark),
        ),
        Step(
            "gmail.list_unread",
            lambda _, __: {"limit": 1},
            lambda account, _, told: [mail["id"] for mail in told["items"]] == [newest[account]],
            requests=2,  # the list, and the mail on it
        ),
        Step(
            "gmail.get_message",
            lambda account, _: {"id": newest[account]},
            lambda account, _, told: (told["id"], told["to"]) == (newest[account], account),
        ),
        Step(
            "slack.list_channels", lambda _, __: {}, lambda account, _, told: _sells(told) == _is_ben(account)
        ),
        Step(
            "slack.search_messages",
            lambda _, __: {"query": "in:#sales"},
            lambda account, _, told: bool(told["items"]) == _is_ben(account),
        ),
    ]


def _is_ben(account: str) -> bool:
    """Of the two, Ben alone is in the channel about sales."""
    return account == BEN.email


def _sells(told: Json) -> bool:
    return any(channel["member"] for channel in told["items"] if channel["name"] == "sales")
