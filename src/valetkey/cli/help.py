"""Typer's help without what tells nobody anything: a type beside a flag, braces around an argument's name."""

from typing import Any

from typer.core import TyperArgument, TyperOption

_KINDS = {"str": "TEXT", "int": "NUMBER"}


def plain() -> None:
    """Let the help of every command show names and values as they are typed."""
    # Set on the classes: Typer makes the parameters itself, `--help` among them, and takes no others.
    TyperOption.display_type_rich = _of_option  # type: ignore[method-assign] # see above
    TyperArgument.display_type_rich = _of_argument  # type: ignore[assignment,method-assign] # see above
    TyperArgument._usage_display_name = _named  # type: ignore[method-assign]  # noqa: SLF001 - see above


def _of_option(self: TyperOption, ctx: Any) -> str | None:
    if self.is_flag:
        return None
    kind = self.display_type(ctx).strip("<>").removesuffix(" range")
    return self.metavar or _KINDS.get(kind, kind.upper())


def _of_argument(self: TyperArgument, ctx: Any) -> str | None:
    return None


def _named(self: TyperArgument) -> str:
    name = self.metavar or self.name.upper()
    return name if self.required else f"[{name}]"
