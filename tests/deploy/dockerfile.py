"""The Dockerfile as the tests see it: its instructions, one after the other."""

import json
import re
from dataclasses import dataclass

from tests.laws.source import ROOT

_COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Instruction:
    """One instruction. `text` is what stands behind its word, on one line."""

    word: str
    text: str

    @property
    def exec_form(self) -> list[str]:
        """What is run without a shell."""
        found: list[str] = json.loads(self.text[self.text.index("[") :])
        return found


def instructions() -> list[Instruction]:
    """Those of the repository's Dockerfile, in order."""
    text = _COMMENT.sub("", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line]


def last_stage() -> dict[str, Instruction]:
    """What the image that is run says, by word; of several the last."""
    found: dict[str, Instruction] = {}
    for one in instructions():
        found = {**({} if one.word == "FROM" else found), one.word: one}
    return found
