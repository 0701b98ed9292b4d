"""The operator's settings: `valetkey.toml` in VALETKEY_HOME, read once into a frozen `Settings`.

Only the place of the home comes from the environment. Where tokens may go never does: a cloned
repository can set any variable, and must not be able to point live tokens elsewhere.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from valetkey.errors import SettingsError
from valetkey.model import Effect

FILE = "valetkey.toml"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, is this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_HOST = r"(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
_AUTHORITY = re.compile(rf"{_HOST}(?::[1-9]\d{{0,4}})?")
_DEFAULT_PORTS = (("http", ":80"), ("https", ":443"))


def _authority(text: str) -> str:
    if not _AUTHORITY.fullmatch(text):
        raise ValueError("has to be a name in lower case and maybe a port, such as `valetkey.internal:8080`")
    return text


def _origin(text: str) -> str:
    """One spelling per origin, because origins are compared as text (RFC 6454 section 6.2)."""
    scheme, _, authority = text.partition("://")
    if scheme not in {"http", "https"} or not _AUTHORITY.fullmatch(authority):
        raise ValueError(
            "has to be an origin in lower case such as `https://gmail.googleapis.com`:"
            " no path, no slash at the end, no name or password"
        )
    if any(scheme == known and authority.endswith(port) for known, port in _DEFAULT_PORTS):
        raise ValueError(f"has to be written without the port that {scheme} has by itself")
    return text


def _loopback_origin(text: str) -> str:
    if not is_loopback(urlsplit(_origin(text)).hostname or ""):
        raise ValueError("may only point at this machine (http://127.0.0.1:…); tokens must not go elsewhere")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(_origin(text))
    if parts.scheme == "http" and parts.hostname != "localhost":
        raise ValueError("has to be https, except on http://localhost:<port>")
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"has to be a network such as `10.1.2.0/24` ({error})") from None
    return text


def _proxy(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError("has to be the address of a proxy such as `http://proxy.internal:3128`")
    return text


Origin = Annotated[str, AfterValidator(_origin)]
LoopbackOrigin = Annotated[str, AfterValidator(_loopback_origin)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EgressSettings(_Table):
    """`[egress]`: private hosts that may be reached, a proxy, and a certificate bundle."""

    allow: dict[Origin, Annotated[str, AfterValidator(_network)]] = Field(default_factory=dict)
    proxy: Annotated[str, AfterValidator(_proxy)] | None = Field(
        default=None, repr=False
    )  # may hold a password
    ca_bundle: Path | None = None


class EndpointSettings(_Table):
    """`[endpoints.NAME]`: what `/mcp/NAME` shows of the tools, and how it spells their names."""

    connectors: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    names: Literal["dotted", "underscore"] = "dotted"


def _endpoint_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError("is part of a URL: use a-z, 0-9 and dashes (63 at most)")
    return text


EndpointName = Annotated[str, AfterValidator(_endpoint_name)]


class Settings(_Table):
    """Everything an operator can set. Every field has its heading in docs/reference/settings.md."""

    home: Path = Field(exclude=True)
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    allowed_hosts: tuple[Annotated[str, AfterValidator(_authority)], ...] = ()
    callback_port: int = Field(8917, ge=1, le=65535)
    manifests: tuple[Path, ...] = ()
    allow_hooks: tuple[Path, ...] = ()
    hosts: dict[Origin, LoopbackOrigin] = Field(default_factory=dict)
    egress: EgressSettings = EgressSettings()
    endpoints: dict[EndpointName, EndpointSettings] = Field(default_factory=dict)

    @property
    def key_file(self) -> Path:
        """Where the root key is: `key` in the home."""
        return self.home / "key"

    @property
    def store_file(self) -> Path:
        """Where the embedded store is: `store.db` in the home."""
        return self.home / "store.db"


def home() -> Path:
    """Return VALETKEY_HOME, or the platform's folder for application data."""
    named = os.environ.get("VALETKEY_HOME")
    return Path(named).absolute() if named else Path(platformdirs.user_data_dir("valetkey"))


def load(folder: Path) -> Settings:
    """Read the settings in `folder`; the folder (0700) and a commented file (0600) are made if missing.

    Raises SettingsError naming the file, the key, what is wrong and the nearest key there is.
    """
    file = folder / FILE
    try:
        _make(folder, file)
        _refuse_unsafe(folder)
        _refuse_unsafe(file)
        text = file.read_bytes().decode()
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be used ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: this is not TOML: it is not UTF-8 text") from None
    return parse(text, file)


def _make(folder: Path, file: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):  # also when another first start was quicker
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as new:
            new.write(TEMPLATE)


def parse(text: str, file: Path) -> Settings:
    """Turn the text of a settings file into Settings; relative paths start at the file's folder."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: this is not TOML: {error}") from None
    if "home" in values:
        raise SettingsError(f"{file}: `home` cannot be set here; it is where this file is (VALETKEY_HOME)")
    try:
        return _absolute(Settings(home=file.parent, **values))
    except ValidationError as error:
        raise SettingsError(f"{file}: {_problem(error)}") from None


def reached_at(settings: Settings, url: str) -> Settings:
    """Return the settings with `url` as their public_url, as `serve --public-url` gives it.

    Raises SettingsError: not a public URL, or valetkey.toml names another one, which the other commands
    would go on to use.
    """
    if settings.public_url not in {None, url}:
        raise SettingsError(
            f"--public-url differs from `public_url` in {settings.home / FILE}; keep one of them"
        )
    try:
        return Settings.model_validate({**dict(settings), "public_url": url})
    except ValidationError as error:
        raise SettingsError(f"--public-url: {_problem(error)}") from None


def _absolute(settings: Settings) -> Settings:
    home, bundle = settings.home, settings.egress.ca_bundle
    egress = settings.egress.model_copy(update={"ca_bundle": bundle and home / bundle})
    folders = {
        name: tuple(home / path for path in getattr(settings, name)) for name in ("manifests", "allow_hooks")
    }
    return settings.model_copy(update={**folders, "egress": egress})


_KINDS = {
    "string_type": "has to be text in quotes",
    "path_type": "has to be a path in quotes",
    "tuple_type": 'has to be a list such as ["one", "two"]',
    "dict_type": "has to be a table",
    "model_type": "has to be a table",
}


def _problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        return f"there is no setting `{key}`{_nearest(str(first['loc'][-1]))}"
    table, *below = first["loc"]
    if table == "hosts" and below and below[0] in Settings.model_fields:
        return f"`{below[0]}` stands below [hosts] and so belongs to it; move it above the first [table]"
    return f"`{key}`: {_KINDS.get(first['type'], first['msg'].removeprefix('Value error, '))}"


_TABLES: tuple[type[BaseModel], ...] = (Settings, EgressSettings, EndpointSettings)


def _nearest(key: str) -> str:
    known: Iterable[str] = {name for table in _TABLES for name in table.model_fields} - {"home"}
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _refuse_unsafe(path: Path) -> None:
    if path.is_symlink() and not path.is_dir():
        raise SettingsError(f"{path}: a link may not stand in for the settings")
    if not path.is_dir() and not path.is_file():
        raise SettingsError(f"{path}: the settings have to be a regular file")
    if path.stat().st_uid != os.geteuid():
        raise SettingsError(f"{path} belongs to another account; run Valetkey as its owner")
    if path.stat().st_mode & 0o077:
        mode = "700" if path.is_dir() else "600"
        raise SettingsError(f"{path} is open to others on this machine; run `chmod {mode} {path}`")


TEMPLATE = """\
# Settings of this Valetkey. Read once at start; nothing here is taken from the environment.

# Where people and clients reach this server. Needed when it listens beyond this machine,
# and by providers that refuse plain http (Slack). The redirect URI that you register at a
# provider is <public_url>/callback/<registration>; `valetkey doctor` prints each one.
# public_url = "https://valetkey.example.com"

# Names under which requests may arrive, besides public_url's own.
# allowed_hosts = ["valetkey.internal:8080"]

# Where a server over stdio shows its pages while nobody runs `valetkey serve`.
# callback_port = 8917

# Folders with connectors of your own, and those among them whose Python hooks may run.
# manifests = ["connectors"]
# allow_hooks = []

# For trying things out: send a provider's requests to this machine instead (the sandbox).
# A token obtained this way opens only under the same override.
# [hosts]
# "https://gmail.googleapis.com" = "http://127.0.0.1:4101"

# Endpoints that show some of the tools, at /mcp/NAME. /mcp shows all of them; /mcp/flat too,
# with names that have no dots, for clients whose models take none.
# [endpoints.readonly]
# effects = ["read"]
# connectors = ["gmail", "slack"]
# tools = []
# names = "underscore"

# The way out. `allow` names private hosts that may be reached, each with the network that
# its address has to lie in.
# [egress]
# proxy = "http://proxy.internal:3128"
# ca_bundle = "/etc/ssl/certs/internal.pem"
# [egress.allow]
# "https://gitlab.corp.example" = "10.1.2.0/24"
"""
