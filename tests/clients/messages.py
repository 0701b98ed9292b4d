"""A model that follows a script: it calls one tool, and then says so. Speaks the Messages API of Claude Code.

There is no model: what it would say is written here, so that the client around it is what is tested.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from valetkey.model import Json

CALL = "toolu_01"
SAID = "That is all."


@dataclass(slots=True)
class Scripted:
    """Calls `tool` once. `results` is what the client then told the model, each as text."""

    tool: str
    arguments: Json
    results: list[str] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        routes = [
            Route("/v1/messages", self._message, methods=["POST"]),
            Route("/v1/messages/count_tokens", self._counted, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def _counted(self, _: Request) -> JSONResponse:
        return JSONResponse({"input_tokens": 1})

    async def _message(self, request: Request) -> Response:
        asked = await request.json()
        answered = results(asked["messages"])
        self.results += answered
        wants_tool = bool(asked.get("tools")) and not answered
        block = self._tool_use() if wants_tool else {"type": "text", "text": SAID}
        events = stream(block, "tool_use" if wants_tool else "end_turn")
        return StreamingResponse((event.encode() for event in events), media_type="text/event-stream")

    def _tool_use(self) -> Json:
        return {"type": "tool_use", "id": CALL, "name": self.tool, "input": self.arguments}


def results(messages: list[Json]) -> list[str]:
    """What the client says our call brought, if it says so yet."""
    blocks = (block for one in messages if isinstance(one["content"], list) for block in one["content"])
    return [
        json.dumps(block["content"])
        for block in blocks
        if block["type"] == "tool_result" and block["tool_use_id"] == CALL
    ]


def stream(block: Json, reason: str) -> Iterator[str]:
    """One message with one block, as server-sent events."""
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "scripted", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1}
    yield event("message_start", message={**message, "stop_reason": None, "usage": usage})
    if block["type"] == "text":
        empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        text = json.dumps(block["input"])
        empty, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": text}
    yield event("content_block_start", index=0, content_block=empty)
    yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
    yield event("message_stop")


def event(name: str, **data: Json) -> str:
    """One event, named twice as the API does."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"
