"""The password of the database, in a file of its own: as Compose, Kubernetes and systemd hand secrets out."""

from pathlib import Path
from urllib.parse import quote, urlsplit

from valetkey.errors import SettingsError


def with_password(url: str | None, file: Path) -> str:
    """Return the URL of the store with the password that stands in `file`.

    Raises SettingsError: nothing that it could belong to, a password in both places, or no such file.
    """
    parts = urlsplit(url or "")
    if not parts.username or parts.password is not None:
        wanted = "`store` with the name of an account and no password: `postgresql://valetkey@db.internal/valetkey`"
        raise SettingsError(f"`store_password_file` needs {wanted}")
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{file}: the password of the store cannot be read ({reason})") from None
    account, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{account}:{quote(password, safe='')}@{host}").geturl()
