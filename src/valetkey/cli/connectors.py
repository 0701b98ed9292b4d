"""`valetkey connectors`: what this server can do, and what is wrong with a manifest. Opens no store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.connections import the_connector
from valetkey.cli.house import settings
from valetkey.cli.output import AsJson, console, dump, few, listed, say, tell, text, words
from valetkey.cli.registrations import HTTPS_ONLY
from valetkey.errors import ManifestError
from valetkey.model import Json

if TYPE_CHECKING:
    from valetkey.manifest import Catalog, Connector, Tool

app = typer.Typer(
    name="connectors", help="The connectors of this server, and their tools.", no_args_is_help=True
)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show every connector and its tools.

    Those are the ones that ship, and those in the folders that `manifests` in
    valetkey.toml names.

    Example:
      valetkey connectors list

    Then:
      valetkey connectors show gmail
    """
    rows = [
        {"name": one.name, "title": one.title, "provider": one.provider, "tools": sorted(one.tools)}
        for one in _catalog().connectors.values()
    ]
    columns = {"name": text, "title": text, "provider": text, "tools": few}
    listed(rows, columns, as_json=as_json, empty="There is none.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `valetkey connectors list` shows it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a connector's tools do, need and take.

    Example:
      valetkey connectors show slack

    Then:
      valetkey registrations add slack --client-id …
    """
    connector = the_connector(_catalog(), name)
    tools = [_tool(tool) for tool in connector.tools.values()]
    about = _about(connector)
    if as_json:
        dump(about | {"tools": tools})
        return
    for key, value in about.items():
        say(f"{key.replace('_', ' '):<15}{words(value) if isinstance(value, list) else text(value)}")
    say("")
    columns = {"name": text, "effect": text, "arguments": words, "scopes": words}
    listed(tools, columns, as_json=False, empty="It has no tools.")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and `_`.")],
    folder: Annotated[Path, typer.Option(help="Where the connector's own folder is made.")] = Path(
        "connectors"
    ),
    auth: Annotated[
        str, typer.Option(help="How its API is entered: oauth2, api_key, bearer or basic.")
    ] = "oauth2",
) -> None:
    """Begin a connector: a manifest with one tool, and its example.

    Both pass `connectors check` as they are. What has to be replaced says so.

    Example:
      valetkey connectors new acme
      valetkey connectors new acme --auth api_key

    Then:
      edit connectors/acme/manifest.toml,
      and valetkey connectors check connectors/acme
    """
    from valetkey.manifest.scaffold import KINDS, scaffold
    from valetkey.model import SystemClock

    if auth not in KINDS:
        raise typer.BadParameter(f"is one of {', '.join(KINDS)}", param_hint="--auth")
    today = datetime.fromtimestamp(SystemClock().now() / 1000, UTC).date().isoformat()
    for file in scaffold(folder, name, auth, today):
        say(str(file))


@app.command()
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Connectors, or one of them.", show_default="every folder in use"
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Name everything that is wrong with manifests.

    Each problem on a line: file, tool, key, and the nearest key that there is.
    It exits with 1 if there is any.

    Example:
      valetkey connectors check connectors/acme

    Then:
      list the folder under `manifests` in valetkey.toml,
      and restart `valetkey serve`
    """
    found = _problems_in(folder) if folder else _problems()
    if as_json:
        dump([_problem(one) for one in found])
    else:
        for problem in found:
            console().print(str(problem), soft_wrap=True)
    if found:
        raise typer.Exit(1)
    tell(f"Nothing is wrong in {folder or 'any folder in use'}.")


def _catalog() -> "Catalog":
    """Raises ManifestError for the first problem."""
    from valetkey.manifest import Catalog

    return Catalog.load(_folders(), allow_hooks=_hooks())


def _folders() -> list[Path]:
    from valetkey.manifest import shipped

    return [shipped(), *settings().manifests]


def _hooks() -> list[Path]:
    from valetkey.manifest import shipped

    return [shipped(), *settings().allow_hooks]


def _problems_in(folder: Path) -> list[ManifestError]:
    from valetkey.manifest import check

    return check(folder, allow_hooks=_hooks())


def _problems() -> list[ManifestError]:
    """What is wrong in each folder in use; else what keeps them from being used together."""
    found = [problem for folder in _folders() for problem in _problems_in(folder)]
    if not found:
        try:
            _catalog()
        except ManifestError as error:
            return [error]
    return found


def _about(connector: "Connector") -> dict[str, Json]:
    return {
        "name": connector.name,
        "title": connector.title,
        "provider": connector.provider,
        **_way_in(connector),
        "tokens_go_to": sorted(connector.origins),
        "documentation": connector.docs,
    }


def _way_in(connector: "Connector") -> dict[str, Json]:
    """What the operator has to know to register a client; where a secret is pasted there is none."""
    if connector.pasted:
        return {"pasted_from": connector.pasted.where}
    https = connector.provider in HTTPS_ONLY
    return {"redirect_uri": "https only" if https else "https, or http on this machine"}


def _tool(tool: "Tool") -> dict[str, Json]:
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "effect": tool.effect,
        "scopes": sorted(tool.scopes),
        "arguments": sorted(tool.input_schema["properties"]),
        "input_schema": tool.input_schema,
    }


def _problem(problem: ManifestError) -> dict[str, Json]:
    return {
        "file": problem.file,
        "where": problem.where,
        "problem": problem.problem,
        "nearest": problem.nearest,
    }
