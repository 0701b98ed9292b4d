"""The settings file: where it is, that nobody else can touch it, and its text read into Settings."""

import os
import tomllib
from contextlib import suppress
from pathlib import Path

import platformdirs
from pydantic import ValidationError

from valetkey.errors import SettingsError
from valetkey.settings.database import with_password
from valetkey.settings.problems import problem
from valetkey.settings.tables import Settings
from valetkey.settings.template import TEMPLATE

FILE = "valetkey.toml"


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
    except OSError as error:
        raise SettingsError(f"{error.filename or file}: cannot be used ({error.strerror})") from None
    return _with_password(read(file))


def read(file: Path) -> Settings:
    """Read a settings file that is there; nobody else may be able to touch it. Raises SettingsError."""
    try:
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
        raise SettingsError(f"{file}: {problem(error)}") from None


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
        raise SettingsError(f"--public-url: {problem(error)}") from None


def _absolute(settings: Settings) -> Settings:
    home, bundle = settings.home, settings.egress.ca_bundle
    egress = settings.egress.model_copy(update={"ca_bundle": bundle and home / bundle})
    folders = {
        name: tuple(home / path for path in getattr(settings, name)) for name in ("manifests", "allow_hooks")
    }
    return settings.model_copy(update={**folders, "egress": egress})


def _with_password(settings: Settings) -> Settings:
    file = settings.store_password_file
    if file is None:
        return settings
    return settings.model_copy(update={"store": with_password(settings.store, settings.home / file)})


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
