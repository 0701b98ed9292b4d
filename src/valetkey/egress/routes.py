"""Where a logical origin is really reached, from the operator's `[hosts]` and `[egress]`.

Checked once, at construction; what is wrong there is a `SettingsError`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

from valetkey.egress.addresses import LOOPBACK, Address, Permits, inside, is_public
from valetkey.egress.permit import split
from valetkey.errors import EgressRefused, SettingsError

_TARGET = re.compile(r"https?://(?P<host>localhost|[0-9.]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")
_PROXY = re.compile(r"https?://(?:[!-.0-~]+@)?[A-Za-z0-9._\[\]:-]+/?")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator wrote: `hosts` sends a logical origin to a loopback one, `allow` names the network
    an exact origin must resolve into. The proxy's URL may hold a password."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    allow: Mapping[str, str] = field(default_factory=dict)
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """How one origin is reached: the origin to connect to, the addresses permitted, the proxy between."""

    origin: str
    at: str
    permits: Permits
    proxy: str | None = field(default=None, repr=False)


class Routes:
    """The rules, checked and ready to ask."""

    def __init__(self, rules: Rules) -> None:
        self._hosts = {_origin("hosts", key): _loopback(value) for key, value in rules.hosts.items()}
        self._allow = {_origin("egress.allow", key): _network(value) for key, value in rules.allow.items()}
        self._proxy = rules.proxy
        if rules.proxy is not None and not _PROXY.fullmatch(rules.proxy):
            raise SettingsError("[egress] proxy is not an http or https URL without a path")

    def to(self, origin: str) -> Route:
        """Return how `origin` is reached."""
        if origin in self._hosts:
            return Route(origin, self._hosts[origin], inside(*LOOPBACK))
        if origin in self._allow:
            return Route(origin, origin, self._allow[origin])
        if self._proxy is not None:
            return Route(origin, origin, _anywhere, self._proxy)
        return Route(origin, origin, is_public)

    def overridden(self, origins: frozenset[str]) -> bool:
        """Whether `[hosts]` sends any of `origins` elsewhere."""
        return not origins.isdisjoint(self._hosts)


def _anywhere(_: Address) -> bool:
    """Permit any address: the connection is to the operator's proxy, which resolves names itself."""
    return True


def _origin(where: str, text: str) -> str:
    try:
        origin, target = split(text)
    except EgressRefused as refused:
        raise SettingsError(f"[{where}] {text!r} is not an origin: {refused}") from None
    if target != "/" or text != origin:
        raise SettingsError(f"[{where}] {text!r} is not an origin; write {origin!r}")
    return origin


def _loopback(text: str) -> str:
    match = _TARGET.fullmatch(text)
    if match is None or not _is_loopback(match["host"].strip("[]")):
        raise SettingsError(f"[hosts] {text!r} is not a loopback origin such as http://127.0.0.1:4101")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or inside(*LOOPBACK)(ip_address(host))
    except ValueError:
        return False


def _network(text: str) -> Permits:
    try:
        return inside(ip_network(text))
    except ValueError:
        raise SettingsError(f"[egress] allow: {text!r} is not a network such as 10.1.2.0/24") from None
