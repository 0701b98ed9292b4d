"""The source tree as the laws see it: its modules, their rooms, what they import, their functions."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "valetkey"
PYTHON = ("src", "tests", "manifests", "examples", "benchmarks")

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """One Python file, parsed."""

    path: Path
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def name(self) -> str:
        """The path that messages show: `src/valetkey/store/sqlite.py`."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def room(self) -> str:
        """The room or single file directly under `valetkey`; empty for the package itself."""
        first = self.path.relative_to(SRC).parts[0]
        return "" if first == "__init__.py" else first.removesuffix(".py")

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every import, wherever it stands: the line, and the dotted name that is imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, type_of_function))


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every Python file under folders of the repository, in order."""
    paths = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    texts = ((path, path.read_text()) for path in paths)
    return tuple(Module(path, text, ast.parse(text)) for path, text in texts)


def product() -> tuple[Module, ...]:
    return modules("src")


@cache
def named_tests() -> frozenset[str]:
    """Every test function there is, as pytest names it: `tests/web/test_mine.py::test_…`."""
    return frozenset(
        f"{module.name}::{function.name}"
        for module in modules("tests")
        for function in module.functions()
        if function.name.startswith("test_")
    )


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end."""
    return (function.end_lineno or 0) - function.lineno + 1


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def figures() -> str:
    """The medians that are reported and not enforced."""
    bodies = sorted(body_length(function) for module in product() for function in module.functions())
    files = sorted(module.lines for module in product())
    return (
        f"{len(files)} files, median {median(files):.0f} lines, longest {files[-1]}; "
        f"{len(bodies)} functions, median body {median(bodies):.0f} lines, "
        f"90th percentile {bodies[len(bodies) * 9 // 10]}, longest {bodies[-1]}"
    )
