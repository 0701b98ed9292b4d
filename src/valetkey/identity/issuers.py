"""The issuers that we trust, as the settings name them: by key, and by the URL that tokens carry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from valetkey.errors import SettingsError, UsageError
from valetkey.settings import IssuerSettings


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer that we trust. `key` is its name for good, `audience` what its tokens for us are for."""

    key: str
    audience: str
    rules: IssuerSettings

    @property
    def url(self) -> str:
        return self.rules.url


class Issuers:
    """Finds them. `ours` is the URL that our own tokens carry, `resource` what they are for."""

    def __init__(self, settings: Mapping[str, IssuerSettings], ours: str, resource: str) -> None:
        made = {key: Issuer(key, rules.audience or resource, rules) for key, rules in settings.items()}
        self._by_key, self._by_url = made, {one.url: one for one in made.values()}
        if clash := next((one.key for one in self if one.url.rstrip("/") == ours), None):
            raise SettingsError(f"[issuers.{clash}] url is this server's own; its tokens count already")

    def __iter__(self) -> Iterator[Issuer]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def of_url(self, url: str) -> Issuer | None:
        """Return the issuer of exactly this URL: no slash, case or port is made up for it."""
        return self._by_url.get(url)

    def named(self, key: str) -> Issuer:
        """Raises UsageError where the settings have none of that name."""
        if key not in self._by_key:
            known = ", ".join(self._by_key) or "none"
            raise UsageError(f"there is no issuer `{key}` in valetkey.toml; there is: {known}")
        return self._by_key[key]

    def signing_in(self) -> list[Issuer]:
        """Those where people may sign in."""
        return [one for one in self if one.rules.sign_in]

    def asked(self) -> Issuer | None:
        """The one that is asked about tokens (RFC 7662), if there is one."""
        return next((one for one in self if one.rules.introspection), None)
