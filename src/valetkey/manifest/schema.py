"""The file format of a connector manifest, version 1, as the models its JSON Schema is made from.

Shape and single values are settled here; what keys have to do with one another is in `faults`.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter

from valetkey.manifest import schema_tools
from valetkey.manifest.schema_auth import AnyAuth, Auth
from valetkey.manifest.schema_tools import Paging
from valetkey.manifest.words import BaseUrl, Header, Link, Name, Query, Rate, Request, Sentence, Table, Url
from valetkey.model import Effect

ErrorCode = Literal[
    "reconnect",
    "insufficient_scope",
    "invalid",
    "not_found",
    "forbidden",
    "conflict",
    "rate_limited",
    "unavailable",
    "failed",
]
"""The outcomes a manifest may read out of a reply."""


class Whoami(Table):
    """The request that proves a connection and names its account.

    `scopes` are alternatives: one of them is needed, and the first is asked for where none of the
    others is asked for anyway.
    """

    request: Request
    query: Mapping[str, str] = Field({})
    account: Query
    label: Query | None = None
    avatar: Query | None = None
    scopes: tuple[str, ...] = ()


class _Head(Table):
    """What a manifest of either kind begins with."""

    manifest: Literal[1]
    name: Name
    title: Sentence
    docs: Link
    spec: Link | None = None
    checked: date
    rate: Rate | None = None


class Manifest(_Head):
    """A connector for an HTTP API."""

    kind: Literal["http"] = "http"
    base_url: BaseUrl
    headers: Mapping[Header, str] = Field({})
    whoami: Whoami | None = None
    paging: Paging | None = None
    auth: AnyAuth
    errors: Mapping[ErrorCode, Query] = Field({})
    tools: Annotated[dict[Name, schema_tools.Tool], Field(min_length=1)]


class PublishedTool(Table):
    """A remote server's tool that is published here, with the description it had when somebody read it."""

    effect: Annotated[Effect, Field(strict=False)]
    scopes: tuple[str, ...] = ()
    labels: tuple[Literal["private", "untrusted", "sends"], ...]
    sensitive: tuple[str, ...]
    preview: Sentence | None = None
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


class McpManifest(_Head):
    """A connector whose upstream is a remote MCP server."""

    kind: Literal["mcp"]
    url: Url
    client: Literal["metadata_document", "dynamic", "static"]
    auth: AnyAuth
    tools: Annotated[dict[Name, PublishedTool], Field(min_length=1)]


def _kind(value: Any) -> str:
    return str(value.get("kind", "http")) if isinstance(value, dict) else value.kind


AnyManifest = Annotated[
    Annotated[Manifest, Tag("http")] | Annotated[McpManifest, Tag("mcp")], Discriminator(_kind)
]
MANIFEST: TypeAdapter[Manifest | McpManifest] = TypeAdapter(AnyManifest)
PROVIDER: TypeAdapter[Auth] = TypeAdapter(Auth)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema editors check a manifest with."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Valetkey connector manifest"}
    return head | MANIFEST.json_schema(by_alias=True)


def schema_text() -> str:
    """Return `manifest.schema.json` as it should stand beside the shipped manifests."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
