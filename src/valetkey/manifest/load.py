"""From folders to manifests: reads the TOML, resolves `auth.use`, loads hooks, and names every problem.

A hook is trusted code: it is imported only from the shipped folder and those the operator allowed.
"""

import importlib.util
import inspect
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from valetkey.errors import ManifestError
from valetkey.manifest.build import build
from valetkey.manifest.connector import Connector, Hook
from valetkey.manifest.faults import collisions, faults
from valetkey.manifest.flaws import Flaw, unknown
from valetkey.manifest.problems import problems
from valetkey.manifest.schema import MANIFEST, PROVIDER, AnyManifest, Manifest
from valetkey.manifest.schema_auth import Auth, UseAuth

MANIFEST_FILE, PROVIDERS, HOOKS_FILE = "manifest.toml", "providers", "hooks.py"


def shipped() -> Path:
    """Return the folder of the manifests Valetkey brings: inside a wheel, or beside src/ in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "_manifests"
    return inside if inside.is_dir() else package.parent.parent / "manifests"


@dataclass(slots=True)
class Loader:
    """Reads manifests one after another and keeps the problems it meets."""

    allow_hooks: Sequence[Path]
    providers: dict[str, Auth] = field(default_factory=dict)
    connectors: dict[Path, Connector] = field(default_factory=dict)
    found: list[ManifestError] = field(default_factory=list)

    def read(self, folders: Sequence[Path]) -> None:
        """Read every provider and connector in the folders, and see that no two share a name."""
        for folder in folders:
            self.read_providers(folder)
        for path in (path for folder in folders for path in connector_folders(folder)):
            if connector := self._connector(path):
                self.connectors[path] = connector
        self._names()

    def read_providers(self, folder: Path) -> None:
        """Read the tables connectors of any folder may `use`."""
        for path in sorted((folder / PROVIDERS).glob("*.toml")):
            if path.stem in self.providers:
                self._report(path, "", Flaw(f"a second provider named `{path.stem}`"))
            elif table := self._parsed(path, PROVIDER, Auth):
                self.providers[path.stem] = table

    def _names(self) -> None:
        first: dict[str, Path] = {}
        for path, connector in self.connectors.items():
            other = first.setdefault(connector.name, path)
            if other != path:
                self._report(path / MANIFEST_FILE, "name", Flaw(f"`{connector.name}` is taken by {other}"))
        tools = {tool.name: path for path, c in self.connectors.items() for tool in c.tools.values()}
        for name, flaw in collisions(tools):
            self._report(tools[name] / MANIFEST_FILE, f"tools.{name.partition('.')[2]}", flaw)

    def _connector(self, folder: Path) -> Connector | None:
        """Return the connector in `folder`, or None when it has problems: they are in `found`."""
        path, before = folder / MANIFEST_FILE, len(self.found)
        manifest = self._parsed(path, MANIFEST, AnyManifest)
        if manifest is None:
            return None
        if not isinstance(manifest, Manifest):
            self._report(path, "kind", Flaw("remote MCP servers are not supported yet"))
            return None
        provider = manifest.auth.use if isinstance(manifest.auth, UseAuth) else manifest.name
        if provider == manifest.name and provider in self.providers:
            self._report(path, "name", Flaw(f"`{provider}` is a provider; its registrations are not for you"))
        whole = self._with_provider(path, manifest)
        for where, flaw in faults(whole):
            self._report(path, where, flaw)
        hooks = self._hooks(folder, whole)
        return build(whole, provider, hooks) if len(self.found) == before else None

    def _parsed(self, path: Path, model: TypeAdapter[Any], form: Any) -> Any:
        try:
            data = tomllib.loads(path.read_text("utf-8"))
            # Validated as JSON: strict, and yet a list is a tuple and text may be a date.
            return model.validate_json(json.dumps(data, default=str))
        except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
            self._report(path, "", Flaw(f"cannot be read as TOML: {error}"))
        except ValidationError as error:
            for where, flaw in problems(error, form):
                self._report(path, where, flaw)
        return None

    def _with_provider(self, path: Path, manifest: Manifest) -> Manifest:
        """Put the shared table where its name stood."""
        if not isinstance(manifest.auth, UseAuth):
            return manifest
        shared = self.providers.get(manifest.auth.use)
        if shared is None:
            self._report(path, "auth.use", unknown("provider", manifest.auth.use, self.providers))
            return manifest
        implies = {**shared.implies, **manifest.auth.implies}
        return manifest.model_copy(update={"auth": shared.model_copy(update={"implies": implies})})

    def _hooks(self, folder: Path, manifest: Manifest) -> dict[str, Hook]:
        wanted = {name: tool.hook for name, tool in manifest.tools.items() if tool.hook}
        found: dict[str, Hook] = {}
        try:
            found = _coroutines(folder, [*self.allow_hooks, shipped()]) if wanted else {}
        except Flaw as flaw:
            self._report(folder / MANIFEST_FILE, f"tools.{next(iter(wanted))}.hook", flaw)
            return {}
        for name, hook in wanted.items():
            if hook not in found:
                self._report(folder / MANIFEST_FILE, f"tools.{name}.hook", unknown("hook", hook, found))
        return found

    def _report(self, path: Path, where: str, flaw: Flaw) -> None:
        self.found.append(ManifestError(str(path), where, flaw.problem, flaw.nearest))


def _coroutines(folder: Path, allowed: Sequence[Path]) -> dict[str, Hook]:
    """Import the hooks beside a manifest, if they may be. Their author's code runs from here on."""
    if not any(folder.resolve().is_relative_to(root.resolve()) for root in allowed):
        raise Flaw("hooks from this folder are not allowed; the operator lists folders in `allow_hooks`")
    spec = importlib.util.spec_from_file_location(f"valetkey_hooks_{folder.name}", folder / HOOKS_FILE)
    try:
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a .py path has a spec
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # and that spec a loader
    except Exception as error:
        raise Flaw(f"{HOOKS_FILE} cannot be imported: {type(error).__name__}: {error}") from error
    return {name: item for name, item in vars(module).items() if inspect.iscoroutinefunction(item)}


def connector_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders of connectors in `folder`, or `folder` itself where it is one."""
    if (folder / MANIFEST_FILE).is_file():
        yield folder
    else:
        yield from sorted(path.parent for path in folder.glob(f"*/{MANIFEST_FILE}"))
