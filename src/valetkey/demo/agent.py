"""The demo's agent: the MCP client of the official SDK, attached over HTTP, driven by a script.

Every byte that reaches it is kept, to be searched for tokens at the end.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import mcp_types as types
from mcp.client import ClientRequestContext
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from valetkey.model import Json

PROTOCOL = "2026-07-28"
Ask = Callable[[str, str], Awaitable[str]]
"""Shows somebody a message and a link; returns what they did with it: `accept`, `decline` or `cancel`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call brought, and how many seconds after it was made."""

    refused: bool
    text: str
    content: Json
    seconds: float

    @property
    def items(self) -> list[Json]:
        return list((self.content or {}).get("items", []))


class Agent:
    """A client that is attached to one server with one token."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, arguments: Json) -> Answer:
        """Call a tool once. If it needs a person, the client shows them the link and the call goes on."""
        begun = time.perf_counter()
        result = await self._client.call_tool(tool, arguments)
        text = "".join(block.text for block in result.content if isinstance(block, types.TextContent))
        seconds = time.perf_counter() - begun
        return Answer(bool(result.is_error), text, result.structured_content, seconds)


@asynccontextmanager
async def attached(url: str, token: str, ask: Ask, heard: bytearray) -> AsyncIterator[Agent]:
    """Attach the client with a token; what it receives is added to `heard`."""

    async def elicited(
        context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestURLParams)  # noqa: S101 - the client declares no forms
        return types.ElicitResult.model_validate({"action": await ask(params.message, params.url)})

    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    way = _Listening(heard)
    async with httpx2.AsyncClient(headers=headers, timeout=None, transport=way) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, elicitation_callback=elicited, mode=PROTOCOL) as client:
            yield Agent(client)


class _Listening(httpx2.AsyncHTTPTransport):
    """Keeps a copy of the answers that come in, headers and all."""

    def __init__(self, heard: bytearray) -> None:
        super().__init__(trust_env=False)
        self._heard = heard

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        self._heard += b"\n".join(b": ".join(pair) for pair in response.headers.raw)
        stream = _Copied(response, self._heard)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Copied(httpx2.AsyncByteStream):
    """A body that is copied while it is read."""

    def __init__(self, response: httpx2.Response, heard: bytearray) -> None:
        self._response, self._heard = response, heard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_raw():
            self._heard += chunk
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
