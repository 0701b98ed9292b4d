"""The floor: the SDK's own low-level server making one bare GET. No person, no vault, no grants, no audit."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn import Config
from uvicorn import Server as Uvicorn

from benchmarks.connector import ORIGIN, PATH, connector

Context = ServerRequestContext[object, object]


def _tools(count: int) -> dict[str, types.Tool]:
    """The very tools that ours lists."""
    return {
        tool.name: types.Tool(
            name=tool.name,
            title=tool.title,
            description=tool.description,
            input_schema=tool.input_schema,
            output_schema=tool.output_schema,
            annotations=types.ToolAnnotations.model_validate({"title": tool.title, **tool.annotations}),
        )
        for tool in connector(count).tools.values()
    }


async def main(port: int, upstream: str, count: str) -> None:
    """Serve `count` tools until the process is ended; each of them asks for the one thing there is."""
    tools = _tools(int(count))
    http = httpx2.AsyncClient(trust_env=False, limits=httpx2.Limits(max_connections=128))

    async def call_tool(_: Context, __: types.CallToolRequestParams) -> types.CallToolResult:
        reply = await http.get(f"{upstream}{PATH}", headers={"Authorization": "Bearer token"})
        text = types.TextContent(type="text", text=reply.text)
        return types.CallToolResult(content=[text], structured_content=reply.json())

    async def list_tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=list(tools.values()))

    server: Server[object] = Server(
        ORIGIN,
        get_tool_input_schema=lambda name: tools[name].input_schema,
        on_call_tool=call_tool,
        on_list_tools=list_tools,
    )
    manager = StreamableHTTPSessionManager(app=server, json_response=True)

    @contextlib.asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    app = Starlette(routes=[Route("/mcp", StreamableHTTPASGIApp(manager))], lifespan=running)
    await Uvicorn(Config(app, port=port, access_log=False, log_level="warning")).serve()
