"""One word per concept: what `valetkey` exports, and words that the glossary has replaced."""

import ast
import re
from collections.abc import Iterator

import valetkey
from tests.laws.source import product

REPLACED = {
    "user": "principal (in the model) or person",
    "users": "principals or people",
    "bot": "actor",
    "vendor": "provider",
    "integration": "connector",
    "plugin": "connector",
    "invocation": "call",
    "keystore": "vault",
    "impersonate": "delegation: an actor acts for a principal",
    "impersonation": "delegation: an actor acts for a principal",
}
MEANT = {
    "user_scope": "Slack's parameter for the scopes of a person's token",
    "authed_user": "Slack's field that holds a person's token",
    "user_data_dir": "platformdirs' name",
}
ELSEWHERE = {"sandbox"}  # speaks as the providers, in their words


def test_the_exported_names_are_complete_and_sorted() -> None:
    exported = [name for name in vars(valetkey) if not name.startswith("_") and not _is_room(name)]
    assert sorted({*exported, "__version__"}) == valetkey.__all__


def _is_room(name: str) -> bool:
    return name in {module.room for module in product()}


def test_every_name_in_the_code_is_a_word_of_the_glossary() -> None:
    wrong = [
        f"{module.name}:{line}: `{name}`: the word for `{word}` is {REPLACED[word]}"
        for module in product()
        if module.room not in ELSEWHERE
        for line, name in defined(module.tree)
        for word in set(words(name)) & set(REPLACED)
        if name not in MEANT
    ]
    assert not wrong, "\n".join(wrong)


def defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The names that a module gives: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case (
                ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield node.lineno, name


def words(name: str) -> list[str]:
    """`AuthedUser_id` -> authed, user, id."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
