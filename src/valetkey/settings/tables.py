"""The tables of the settings file, frozen. Every field has its heading in docs/reference/settings.md."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from valetkey.model import Effect
from valetkey.settings.issuers import IssuerKey, IssuerSettings, refuse_twins
from valetkey.settings.keys import AwsKmsSettings, KeySettings, TransitSettings
from valetkey.settings.limits import LimitsSettings
from valetkey.settings.notify import (
    LogsSettings,
    NotifySettings,
    OperatorSettings,
    SmtpSettings,
    WebhookSettings,
)
from valetkey.settings.values import (
    Authority,
    LoopbackOrigin,
    Name,
    Network,
    Origin,
    Proxy,
    PublicUrl,
    StoreUrl,
    Table,
)


class EgressSettings(Table):
    """`[egress]`: private hosts that may be reached, a proxy, and a certificate bundle."""

    allow: dict[Origin, Network] = Field(default_factory=dict)
    proxy: Proxy | None = Field(default=None, repr=False)  # may hold a password
    ca_bundle: Path | None = None


class ClientsSettings(Table):
    """`[clients]`: which clients may come by themselves."""

    cimd: Literal["on", "off"] = "on"


class EndpointSettings(Table):
    """`[endpoints.NAME]`: what `/mcp/NAME` shows of the tools, and how it spells their names."""

    connectors: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    names: Literal["dotted", "underscore"] = "dotted"


class Settings(Table):
    """Everything an operator can set."""

    home: Path = Field(exclude=True)
    public_url: PublicUrl | None = None
    store: StoreUrl | None = Field(default=None, repr=False)  # may hold a password
    store_password_file: Path | None = None
    allowed_hosts: tuple[Authority, ...] = ()
    trusted_proxies: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    traceable: bool = True
    callback_port: int = Field(8917, ge=1, le=65535)
    manifests: tuple[Path, ...] = ()
    allow_hooks: tuple[Path, ...] = ()
    hosts: dict[Origin, LoopbackOrigin] = Field(default_factory=dict)
    egress: EgressSettings = EgressSettings()
    key: KeySettings = KeySettings()
    clients: ClientsSettings = ClientsSettings()
    limits: LimitsSettings = LimitsSettings()
    endpoints: dict[Name, EndpointSettings] = Field(default_factory=dict)
    issuers: dict[IssuerKey, IssuerSettings] = Field(default_factory=dict)
    operator: OperatorSettings = OperatorSettings()
    notify: NotifySettings = NotifySettings()
    logs: LogsSettings = LogsSettings()

    _no_twins = field_validator("issuers")(refuse_twins)

    @property
    def key_file(self) -> Path:
        """Where the root key is, if it is in a file: `key` in the home."""
        return self.home / self.key.file

    @property
    def store_file(self) -> Path:
        """Where the embedded store is, unless `store` names a database: `store.db` in the home."""
        return self.home / "store.db"


TABLES: tuple[type[Table], ...] = (
    Settings,
    EgressSettings,
    KeySettings,
    TransitSettings,
    AwsKmsSettings,
    ClientsSettings,
    LimitsSettings,
    EndpointSettings,
    IssuerSettings,
    OperatorSettings,
    NotifySettings,
    SmtpSettings,
    WebhookSettings,
    LogsSettings,
)
