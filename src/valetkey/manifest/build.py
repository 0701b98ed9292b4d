"""From a manifest's models to the connector and tools the house runs. Nothing can go wrong here any more."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from valetkey.manifest import schema, schema_tools
from valetkey.manifest.arguments import Arguments
from valetkey.manifest.connector import Connector, Hook, Step, Tool
from valetkey.manifest.outputs import output_schema
from valetkey.manifest.paging import Pager
from valetkey.manifest.portable import portable
from valetkey.manifest.replies import Replies
from valetkey.manifest.requests import parse_request
from valetkey.manifest.results import Results
from valetkey.manifest.shape import Expression
from valetkey.manifest.template import parse_string
from valetkey.model import Effect, Outcome

_T = TypeVar("_T")


def build(manifest: schema.Manifest, provider: str, hooks: Mapping[str, Hook]) -> Connector:
    """Return the connector of a manifest without faults; its `auth` is already a whole table."""
    errors = tuple((Outcome(code), Expression(source)) for code, source in manifest.errors.items())
    tools: dict[str, Tool] = {}
    connector = Connector(
        name=manifest.name,
        title=manifest.title,
        provider=provider,
        base_url=manifest.base_url,
        auth=manifest.auth,  # type: ignore[arg-type]  # `use` was replaced by the table it names
        whoami=manifest.whoami,
        paging=manifest.paging,
        origins=frozenset(_origins(manifest)),
        headers=manifest.headers,
        replies=Replies(manifest.title, errors),
        docs=manifest.docs,
        tools=tools,
    )
    for name, table in manifest.tools.items():
        tools[name] = _tool(connector, name, table, hooks)
    return connector


def _origins(manifest: schema.Manifest) -> Iterator[str]:
    """The authorize URL is not among them: a browser goes there, a token never does."""
    revoke = getattr(manifest.auth, "revoke", None)
    urls = [manifest.base_url, getattr(revoke, "url", None)]
    urls += [getattr(manifest.auth, key, None) for key in ("token_url", "refresh_url")]
    for url in filter(None, urls):
        parts = urlsplit(url)
        yield f"{parts.scheme}://{parts.netloc}"


def _tool(connector: Connector, name: str, table: schema_tools.Tool, hooks: Mapping[str, Hook]) -> Tool:
    paging = (table.paging or connector.paging) if table.paged else None
    output = output_schema(table.output, paged=table.paged)
    return Tool(
        name=f"{connector.name}.{name}",
        connector=connector,
        title=table.title or f"{connector.title}: {name.replace('_', ' ')}",
        description=table.description.strip(),
        effect=table.effect,
        idempotent=table.effect is Effect.READ if table.idempotent is None else table.idempotent,
        scopes=frozenset(table.scopes),
        labels=frozenset(table.labels),
        sensitive=frozenset(table.sensitive),
        output_schema=portable(output),
        steps=tuple(_steps(connector, table, paging)),
        single=table.request is not None,
        hook=hooks[table.hook] if table.hook else None,
        result=_maybe(Expression, table.result),
        pager=Pager(paging, connector.base_url) if paging else None,
        idempotency=table.idempotency.header if table.idempotency else None,
        undo=f"{connector.name}.{table.undo}" if table.undo else None,
        rate=table.rate,
        arguments=Arguments(table.args, paging),
        shown=_maybe(parse_string, table.preview),
        output=Results(output),
    )


def _steps(
    connector: Connector, table: schema_tools.Tool, paging: schema_tools.Paging | None
) -> Iterator[Step]:
    """The first request takes the cursor, wherever the others get what they need from."""
    if table.request is not None:
        yield Step("reply", parse_request(table, table.request, paging, connector.headers))
    for step in table.steps or ():
        request = parse_request(step, step.request, paging, connector.headers)
        yield Step(step.name, request, _maybe(Expression, step.each))
        paging = None


def _maybe(make: Callable[[str], _T], source: str | None) -> _T | None:
    return None if source is None else make(source)
