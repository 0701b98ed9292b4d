"""docs/reference/clients.md, written from the data."""

from collections.abc import Iterator

from valetkey.clients import LINKS, AgentClient, known

_EXAMPLE = "http://localhost:8917"
_HEAD = f"""\
# Clients

<!-- Generated from src/valetkey/clients/clients.toml by `make clients`. -->

How MCP clients are attached, and what each of them does. `valetkey clients NAME` prints the same with the URL
of your own server; here it is `{_EXAMPLE}`. Most sign in by themselves: they open a browser, and you let
them in on a page of this server. The others need a token from
`valetkey tokens mint --principal NAME --actor NAME`.

Where a call needs something from its person, they are given a link. What a client is sent depends on what it
declares when it connects, never on its name: a newer version that declares links is sent them.

- *elicited*: {LINKS["elicited"]}.
- *text*: {LINKS["text"]}.

Tools have names such as `gmail.list_unread`. A client that takes no dots is attached to `/mcp/flat`, which
lists `gmail_list_unread`. Either name can be called at either endpoint.

*Measured* means that it was run against a server, *reported* that others have said so. Clients change
quickly: look at the date.
"""


def page() -> str:
    """The whole page."""
    clients = known().values()
    return "\n".join([_HEAD, *_table(list(clients)), *(_section(client) for client in clients)])


def _table(clients: list[AgentClient]) -> Iterator[str]:
    yield "| client | version | seen | protocol | links | endpoint |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in clients:
        title = f"[{one.title}](#{one.name})"
        how = "measured" if one.measured else "reported"
        endpoint = f"`{one.url('')}`"
        cells = (title, one.version, f"{one.seen}, {how}", one.protocol, one.links, endpoint)
        yield f"| {' | '.join(cells)} |"


def _way_in(client: AgentClient) -> str:
    return f"Signing in: {client.login}" if client.login else f"Its token: {client.token}"


def _section(client: AgentClient) -> str:
    quirks = "\n".join(f"- {quirk}" for quirk in client.quirks)
    return f"""
## `{client.name}`

{client.title}. In {client.where}:

```{client.language}
{client.attached(_EXAMPLE)}
```

{_way_in(client)}

{quirks}
""".rstrip()
