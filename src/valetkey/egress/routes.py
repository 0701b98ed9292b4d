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
        if rules.proxy is not None and not _PROXY.fullmatch(rules.proxy):
            raise SettingsError("[egress] proxy is not an http or https URL without a path")
        self._proxy = rules.proxy
        self._allow = dict(_allowed(origin, network) for origin, network in rules.allow.items())
        self._hosts = dict(_rerouted(origin, target) for origin, target in rules.hosts.items())

    def to(self, origin: str) -> Route:
        """Return how `origin` is reached: loopback and allowed networks directly, the rest by the proxy."""
        known = self._hosts.get(origin) or self._allow.get(origin)
        if known is not None:
            return known
        return Route(origin, origin, is_public if self._proxy is None else _anywhere, self._proxy)

    def overridden(self, origins: frozenset[str]) -> bool:
        """Whether `[hosts]` sends any of `origins` elsewhere."""
        return not origins.isdisjoint(self._hosts)


def _anywhere(_: Address) -> bool:
    """Permit any address: the connection is to the operator's proxy, which resolves names itself."""
    return True


def _rerouted(key: str, target: str) -> tuple[str, Route]:
    origin = _origin("hosts", key)
    return origin, Route(origin, _loopback(target), inside(*LOOPBACK))


def _allowed(key: str, network: str) -> tuple[str, Route]:
    origin = _origin("egress.allow", key)
    return origin, Route(origin, origin, _network(network))


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
