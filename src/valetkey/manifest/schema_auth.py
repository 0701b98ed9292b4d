"""The `[auth]` table of a manifest: how a connection is obtained, kept alive and given back."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from valetkey.manifest.flaws import Flaw
from valetkey.manifest.words import (
    CredentialHeader,
    Duration,
    Name,
    Params,
    Pattern,
    Query,
    Request,
    Sentence,
    Table,
    Url,
    milliseconds,
)
from valetkey.model import SECOND


class ConnectionField(Table):
    """A value each connection has of its own, such as the `subdomain` of a host."""

    description: Sentence
    pattern: Pattern
    source: Literal["person", "token", "callback", "call"] = "person"
    at: str | None = None
    request: Request | None = None
    suffixes: tuple[str, ...] = ()
    example: str | None = None


class Revoke(Table):
    """How a token set is given back, or the sentence a person is told where it cannot be."""

    supported: bool = True
    url: Url | None = None
    method: Literal["POST", "DELETE"] = "POST"
    token: Literal["refresh", "access"] = "refresh"  # noqa: S105 - which of the two, not one
    present: Literal["form", "bearer"] = "form"
    ok: Query | None = None
    siblings: bool = False
    tell: Sentence | None = None

    @model_validator(mode="after")
    def _told(self) -> "Revoke":
        if self.supported and self.url is None:
            raise Flaw("needs a `url`, or `supported = false` with a `tell`")
        if not self.supported and self.tell is None:
            raise Flaw("`supported = false` needs `tell`: the sentence the person is shown")
        return self


class Refresh(Table):
    """What a provider does with refresh tokens, and the codes with which its token endpoint refuses."""

    rotates: bool = False
    ahead: bool = True
    reuse: Annotated[str, Field(pattern=r"^(strict|retry_safe|grace:[1-9][0-9]*)$")] = "strict"
    idle_expiry: Duration | None = None
    absolute_expiry: Duration | None = None
    dead: tuple[str, ...] = ("invalid_grant",)
    operator: tuple[str, ...] = ()
    transient: tuple[str, ...] = ()
    token_at: Query | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> "Refresh":
        codes = [*set(self.dead), *set(self.operator), *set(self.transient)]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise Flaw(f"`{twice[0]}` is in two of `dead`, `operator` and `transient`")
        return self

    @property
    def grace(self) -> int | None:
        """Milliseconds for which a used token is answered once more, as it was; None: not at all."""
        kind, _, seconds = self.reuse.partition(":")
        return int(seconds) * SECOND if kind == "grace" else None

    @property
    def idle(self) -> int | None:
        """Milliseconds that one lives without being used, None: no end."""
        return milliseconds(self.idle_expiry) if self.idle_expiry else None

    @property
    def absolute(self) -> int | None:
        """Milliseconds after which its person has to consent again, None: never."""
        return milliseconds(self.absolute_expiry) if self.absolute_expiry else None


class _Auth(Table):
    """What every kind of authentication may say."""

    implies: Mapping[str, tuple[str, ...]] = Field({})
    fields: Mapping[Name, ConnectionField] = Field({})
    tokens: Literal["per_connection", "per_account"] = "per_connection"


class _TokenEndpoint(_Auth):
    token_url: Url
    token_params: Params = Field({})
    client_auth: Literal["basic", "post", "none", "private_key_jwt"] = "post"
    token_body: Literal["form", "json"] = "form"  # noqa: S105 - how it is written, not one
    scope_param: str = "scope"
    scope_separator: str = " "
    token_at: Query | None = None
    expires: Annotated[int, Field(gt=0)] | None = None
    revoke: Revoke | None = None


class OAuth2(_TokenEndpoint):
    """A person consents at the provider (RFC 6749 section 4.1)."""

    type: Literal["oauth2"]
    authorize_url: Url
    authorize_params: Params = Field({})
    login_hint: Annotated[str, Field(min_length=1)] | None = None
    issuer: Url | None = None
    pkce: Literal["required", "supported", "off"] = "supported"
    refresh_url: Url | None = None
    refresh_params: Params = Field({})
    refresh: Refresh = Refresh()


class OAuth2Client(_TokenEndpoint):
    """The registration acts for itself (RFC 6749 section 4.4)."""

    type: Literal["oauth2_client"]


class ApiKey(_Auth):
    """A key the person copies from the provider, sent in a header or a query parameter."""

    type: Literal["api_key"]
    header: CredentialHeader | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    prefix: str = ""
    where: Sentence

    @model_validator(mode="after")
    def _one_place(self) -> "ApiKey":
        if (self.header is None) == (self.query is None):
            raise Flaw("needs exactly one of `header` and `query`")
        return self


class Bearer(_Auth):
    """A token the person copies from the provider, sent as `Authorization: Bearer`."""

    type: Literal["bearer"]
    where: Sentence


class Basic(_Auth):
    """HTTP Basic (RFC 7617): a pair, or one secret in one half of it."""

    type: Literal["basic"]
    secret: Literal["pair", "username", "password"] = "pair"  # noqa: S105 - the name of a half, not a secret
    username: str | None = None
    where: Sentence


Pasted = ApiKey | Bearer | Basic
"""A secret that a person copies from the provider and pastes on our page."""


class NoAuth(_Auth):
    """An API that asks for nothing."""

    type: Literal["none"]


class UseAuth(Table):
    """A table of `providers/`, shared by several connectors."""

    use: Name
    implies: Mapping[str, tuple[str, ...]] = Field({})


KINDS = ("oauth2", "oauth2_client", "api_key", "bearer", "basic", "none")


def _kind(value: Any) -> str:
    if not isinstance(value, dict):
        return getattr(value, "type", "use")
    return "use" if "use" in value else str(value.get("type"))


Auth = Annotated[
    Annotated[OAuth2, Tag("oauth2")]
    | Annotated[OAuth2Client, Tag("oauth2_client")]
    | Annotated[ApiKey, Tag("api_key")]
    | Annotated[Bearer, Tag("bearer")]
    | Annotated[Basic, Tag("basic")]
    | Annotated[NoAuth, Tag("none")],
    Discriminator(_kind),
]
"""A whole table of one kind."""

AnyAuth = Annotated[
    Annotated[UseAuth, Tag("use")]
    | Annotated[OAuth2, Tag("oauth2")]
    | Annotated[OAuth2Client, Tag("oauth2_client")]
    | Annotated[ApiKey, Tag("api_key")]
    | Annotated[Bearer, Tag("bearer")]
    | Annotated[Basic, Tag("basic")]
    | Annotated[NoAuth, Tag("none")],
    Discriminator(_kind),
]
"""What `[auth]` of a connector may be: a whole table, or the name of a shared one."""
