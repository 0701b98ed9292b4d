"""The operator's settings: `valetkey.toml` in VALETKEY_HOME, read once into a frozen `Settings`.

Only the place of the home comes from the environment. Where tokens may go never does: a cloned
repository can set any variable, and must not be able to point live tokens elsewhere.
"""

from valetkey.settings.file import FILE, home, load, parse, reached_at, read
from valetkey.settings.issuers import IssuerSettings
from valetkey.settings.limits import LimitsSettings
from valetkey.settings.tables import EgressSettings, EndpointSettings, Settings
from valetkey.settings.template import TEMPLATE
from valetkey.settings.values import LOOPBACK_NAMES, is_loopback

__all__ = [
    "FILE",
    "LOOPBACK_NAMES",
    "TEMPLATE",
    "EgressSettings",
    "EndpointSettings",
    "IssuerSettings",
    "LimitsSettings",
    "Settings",
    "home",
    "is_loopback",
    "load",
    "parse",
    "reached_at",
    "read",
]
