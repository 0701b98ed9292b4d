"""The operator's settings: `valetkey.toml` in VALETKEY_HOME, read once into a frozen `Settings`.

Only the place of the home comes from the environment. Where tokens may go never does: a cloned
repository can set any variable, and must not be able to point live tokens elsewhere.
"""

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from valetkey.errors import SettingsError

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


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or text != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError(
            "has to be an origin such as `https://gmail.googleapis.com`: no path, no slash at the end"
        )
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
    ip_network(text)
    return text


Origin = Annotated[str, AfterValidator(_origin)]
LoopbackOrigin = Annotated[str, AfterValidator(_loopback_origin)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EgressSettings(_Table):
    """`[egress]`: private hosts that may be reached, a proxy, and a certificate bundle."""

    allow: dict[Origin, Annotated[str, AfterValidator(_network)]] = Field(default_factory=dict)
    proxy: str | None = None
    ca_bundle: Path | None = None


class Settings(_Table):
    """Everything an operator can set. Every field has its heading in docs/reference/settings.md."""

    home: Path = Field(exclude=True)
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    allowed_hosts: tuple[str, ...] = ()
    manifests: tuple[Path, ...] = ()
    allow_hooks: tuple[Path, ...] = ()
    hosts: dict[Origin, LoopbackOrigin] = Field(default_factory=dict)
    egress: EgressSettings = EgressSettings()

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
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(TEMPLATE)
    _refuse_unsafe(folder)
    _refuse_unsafe(file)
    return parse(file.read_text(), file)


def parse(text: str, file: Path) -> Settings:
    """Turn the text of a settings file into Settings; relative paths start at the file's folder."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: this is not TOML: {error}") from None
    try:
        settings = Settings(home=file.parent, **values)
    except (ValidationError, TypeError) as error:
        raise SettingsError(f"{file}: {_problem(error)}") from None
    return settings.model_copy(update=_absolute(settings))


def _absolute(settings: Settings) -> dict[str, tuple[Path, ...]]:
    base = settings.home
    return {
        name: tuple(base / path for path in getattr(settings, name)) for name in ("manifests", "allow_hooks")
    }


def _problem(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "`home` cannot be set here; it is where this file is (VALETKEY_HOME)"
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        return f"there is no setting `{key}`{_nearest(str(first['loc'][-1]))}"
    return f"`{key}`: {first['msg'].removeprefix('Value error, ')}"


def _nearest(key: str) -> str:
    known: Iterable[str] = {*Settings.model_fields, *EgressSettings.model_fields} - {"home"}
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _refuse_unsafe(path: Path) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) and not path.is_dir():
        raise SettingsError(f"{path}: a link may not stand in for the settings")
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

# Folders with connectors of your own, and those among them whose Python hooks may run.
# manifests = ["connectors"]
# allow_hooks = []

# For trying things out: send a provider's requests to this machine instead (the sandbox).
# A token obtained this way opens only under the same override.
# [hosts]
# "https://gmail.googleapis.com" = "http://127.0.0.1:4101"

# The way out. `allow` names private hosts that may be reached, each with the network that
# its address has to lie in.
# [egress]
# proxy = "http://proxy.internal:3128"
# ca_bundle = "/etc/ssl/certs/internal.pem"
# [egress.allow]
# "https://gitlab.corp.example" = "10.1.2.0/24"
"""
