"""The `[tools.*]` tables of a manifest: one callable each, with its arguments, requests and result."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from valetkey.manifest.words import (
    Header,
    Name,
    Pattern,
    Preview,
    Query,
    Rate,
    Request,
    Sentence,
    Table,
    Template,
)
from valetkey.model import Effect


class Arg(Table):
    """One argument: the JSON Schema keywords a manifest may use, and whether it may be left out."""

    type: Literal["string", "integer", "number", "boolean", "array", "object", "file"]
    description: Sentence
    optional: bool = False
    default: Any = None
    enum: tuple[Any, ...] | None = None
    format: Literal["email", "date", "date-time", "uri"] | None = None
    pattern: Pattern | None = None
    min_length: int | None = Field(None, alias="minLength")
    max_length: int | None = Field(None, alias="maxLength")
    minimum: int | float | None = None
    maximum: int | float | None = None
    items: dict[str, Any] | None = None
    min_items: int | None = Field(None, alias="minItems")
    max_items: int | None = Field(None, alias="maxItems")
    unique_items: bool | None = Field(None, alias="uniqueItems")
    properties: Mapping[str, Any] = Field({})
    required: tuple[str, ...] | None = None
    additional_properties: bool | None = Field(None, alias="additionalProperties")


class Paging(Table):
    """How an API continues a list; always surfaced as `cursor` and `next_cursor`."""

    style: Literal["cursor", "link", "offset", "page"]
    send: str
    into: Literal["query", "body"] = "query"
    read: Query | None = None
    size: Name | None = None
    first: int = 1


class RequestTable(Table):
    """A request with its placeholders: what a step has, and what a tool of one request has."""

    request: Request | None = None
    query: Mapping[str, Template] | None = None
    headers: Mapping[Header, Template] | None = None
    json_body: Template | None = Field(None, alias="json")
    form: Mapping[str, Template] | None = None
    multipart: Mapping[str, Template] | None = None
    raw: Template | None = None
    response: Literal["json", "text", "bytes", "empty"] = "json"


class Step(RequestTable):
    """One of a few named requests; with `each`, once per item of an earlier reply."""

    name: Name
    request: Request
    each: Query | None = None


class Idempotency(Table):
    """The header in which an API takes a key that makes repeating a request harmless."""

    header: Header


class Tool(RequestTable):
    """One callable. `effect`, `labels`, `output` and `sensitive` are never left out."""

    title: Sentence | None = None
    description: Sentence
    effect: Annotated[Effect, Field(strict=False)]
    idempotent: bool | None = None
    scopes: tuple[str, ...] = ()
    labels: tuple[Literal["private", "untrusted", "sends"], ...]
    sensitive: tuple[str, ...]
    preview: Preview | None = None
    args: Mapping[Name, Arg] = Field({})
    output: dict[str, Any]
    paged: bool = False
    paging: Paging | None = None
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=4)] | None = None
    hook: Name | None = None
    result: Query | None = None
    undo: Name | None = None
    rate: Rate | None = None
    idempotency: Idempotency | None = None
