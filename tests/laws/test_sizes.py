"""Nothing grows past what one can hold in mind: files, functions, and suppressions without a reason."""

import re

from tests.laws.source import PYTHON, length, modules

FILE_LINES = 400
FUNCTION_LINES = 60
SUPPRESSION = re.compile(
    r"#\s*(?:noqa(?!:)|noqa: [A-Z0-9, ]+|type: ignore(?!\[)|type: ignore\[[\w\-, ]+\])(?P<reason>.*)"
)


def test_every_file_is_short() -> None:
    long = [
        f"{module.name} has {module.lines} lines: split it by idea"
        for module in modules(*PYTHON)
        if module.lines > FILE_LINES
    ]
    assert not long, "\n".join(long)


def test_every_function_is_short() -> None:
    long = [
        f"{module.name}:{function.lineno}: `{function.name}` has {length(function)} lines"
        for module in modules(*PYTHON)
        for function in module.functions()
        if length(function) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    bare = [
        f"{module.name}:{number}: say after `{found[0].strip()}` why it has to be"
        for module in modules(*PYTHON)
        for number, line in enumerate(module.text.splitlines(), 1)
        if (found := SUPPRESSION.search(line)) and not re.search(r"\w{3}", found["reason"])
    ]
    assert not bare, "\n".join(bare)
