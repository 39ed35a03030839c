"""The vendors' APIs, as much of each as the agent programs use: a request becomes `Asked`, a `Turn` becomes an answer or a stream."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.support.model import Asked, Count, Run, Tool, Turn, find_shell, shell_call

Json = dict[str, Any]
Frames = Iterator[tuple[str, Json]]
"""Server-sent events: the event's name ("" for none) and its data."""


class NoShell(Exception):
    """The program offers no tool that runs commands, but the script wants one."""


class Dialect(ABC):
    """One vendor's API."""

    name: str
    path_part: str
    closes_with_done = False

    @abstractmethod
    def parse(self, path: str, body: Json) -> Asked:
        """What the program asks."""

    @abstractmethod
    def render(self, asked: Asked, turn: Turn, count: Count, number: int) -> Json:
        """The answer in one piece. `number` is unique in a server and names ids."""

    @abstractmethod
    def frames(self, asked: Asked, turn: Turn, count: Count, number: int) -> Frames:
        """The answer as a stream."""

    @abstractmethod
    def error(self, status: int, text: str) -> Json:
        """The body of a refusal."""


def shell_of(asked: Asked, turn: Run) -> tuple[str, Json]:
    """Name and arguments of the tool call for a command. Raises NoShell."""
    tool = find_shell(asked.tools)
    if tool is None and asked.tools and asked.wanted_shell:
        return asked.wanted_shell, {"command": turn.command, "description": "Step of the task"}
    if tool is None:
        raise NoShell(f"no shell among {[tool.name for tool in asked.tools]}")
    return tool.name, shell_call(tool, turn.command)


def all_text(value: object) -> str:
    """Every text in a piece of a request, one after the other: the vendors nest it in many ways."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(all_text, value)))
    if isinstance(value, dict):
        return "\n".join(
            filter(None, (all_text(value.get(key)) for key in ("text", "content", "parts", "output")))
        )
    return ""


def make_tool(name: str, schema: Mapping[str, Any] | None) -> Tool:
    """A tool from its JSON schema."""
    known = schema or {}
    return Tool(name, known.get("properties") or {}, tuple(known.get("required") or ()))


class Messages(Dialect):
    """Anthropic Messages."""

    name = "messages"
    path_part = "/v1/messages"

    def parse(self, path: str, body: Json) -> Asked:
        del path
        messages: list[Json] = body.get("messages") or []
        results = [
            part
            for message in messages
            if isinstance(message.get("content"), list)
            for part in message["content"]
            if part.get("type") == "tool_result"
        ]
        text = all_text([body.get("system"), *(message.get("content") for message in messages)])
        tools = tuple(
            make_tool(tool.get("name", ""), tool.get("input_schema")) for tool in body.get("tools") or ()
        )
        last = all_text(results[-1]) if results else ""
        return Asked(text, len(results), last, tools, body.get("model", ""), bool(body.get("stream")))

    def render(self, asked: Asked, turn: Turn, count: Count, number: int) -> Json:
        return {
            "id": f"msg_{number:08}",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [self._block(asked, turn, number)],
            "stop_reason": "tool_use" if isinstance(turn, Run) else "end_turn",
            "stop_sequence": None,
            "usage": self._usage(count),
        }

    def frames(self, asked: Asked, turn: Turn, count: Count, number: int) -> Frames:
        whole = self.render(asked, turn, count, number)
        block = whole["content"][0]
        opening = whole | {
            "content": [],
            "stop_reason": None,
            "usage": self._usage(count) | {"output_tokens": 1},
        }
        yield "message_start", {"type": "message_start", "message": opening}
        is_tool = block["type"] == "tool_use"
        nothing: Json = {"input": {}} if is_tool else {"text": ""}
        empty = block | nothing
        yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": empty}
        delta = (
            {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            if is_tool
            else {"type": "text_delta", "text": block["text"]}
        )
        yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": 0}
        yield (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
                "usage": {"output_tokens": count.written},
            },
        )
        yield "message_stop", {"type": "message_stop"}

    def error(self, status: int, text: str) -> Json:
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": text}}

    def _block(self, asked: Asked, turn: Turn, number: int) -> Json:
        if isinstance(turn, Run):
            name, arguments = shell_of(asked, turn)
            return {"type": "tool_use", "id": f"toolu_{number:08}", "name": name, "input": arguments}
        return {"type": "text", "text": turn.text}

    def _usage(self, count: Count) -> Json:
        return {
            "input_tokens": count.fresh,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": count.cached,
            "output_tokens": count.written,
        }


class Responses(Dialect):
    """OpenAI Responses."""

    name = "responses"
    path_part = "/responses"

    def parse(self, path: str, body: Json) -> Asked:
        del path
        items = body.get("input")
        listed: list[Json] = items if isinstance(items, list) else [{"content": items}]
        results = [item for item in listed if str(item.get("type", "")).endswith("_call_output")]
        last = all_text(results[-1]) if results else ""
        text = all_text([body.get("instructions"), *listed])
        offered = [body.get("tools"), *(item.get("tools") for item in listed)]
        tools = tuple(self._tools(tool for some in offered for tool in some or ()))
        return Asked(text, len(results), last, tools, body.get("model", ""), bool(body.get("stream")), "bash")

    def render(self, asked: Asked, turn: Turn, count: Count, number: int) -> Json:
        read = count.fresh + count.cached
        return {
            "id": f"resp_{number:08}",
            "object": "response",
            "created_at": 1_760_000_000,
            "status": "completed",
            "model": asked.model,
            "output": [self._item(asked, turn, number)],
            "usage": {
                "input_tokens": read,
                "input_tokens_details": {"cached_tokens": count.cached},
                "output_tokens": count.written,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": read + count.written,
            },
        }

    def frames(self, asked: Asked, turn: Turn, count: Count, number: int) -> Frames:
        whole = self.render(asked, turn, count, number)
        item = whole["output"][0]
        started = whole | {"status": "in_progress", "output": [], "usage": None}
        steps: list[Json] = [
            {"type": "response.created", "response": started},
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": item | {"status": "in_progress"},
            },
            *self._deltas(item),
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ]
        for position, step in enumerate(steps):
            yield step["type"], step | {"sequence_number": position}

    def error(self, status: int, text: str) -> Json:
        return openai_error(status, text)

    def _deltas(self, item: Json) -> Iterator[Json]:
        """The words of a message once more, as they would come piece by piece: some programs believe these alone."""
        for part in item.get("content", ()):
            yield {
                "type": "response.output_text.delta",
                "item_id": item["id"],
                "output_index": 0,
                "content_index": 0,
                "delta": part["text"],
            }

    def _tools(self, offered: Iterable[Json]) -> Iterator[Tool]:
        """The tools, with those that stand inside a namespace."""
        for tool in offered:
            if tool.get("type") == "namespace":
                yield from self._tools(tool.get("tools") or ())
            elif tool.get("type") == "custom":
                yield Tool(tool.get("name", ""), {}, takes_code=True)
            else:
                yield make_tool(tool.get("name") or tool.get("type", ""), tool.get("parameters"))

    def _item(self, asked: Asked, turn: Turn, number: int) -> Json:
        shell = find_shell(asked.tools)
        if isinstance(turn, Run) and shell is not None and shell.takes_code:
            call = json.dumps({"cmd": turn.command, "login": False})
            return {
                "type": "custom_tool_call",
                "id": f"ctc_{number:08}",
                "call_id": f"call_{number:08}",
                "name": shell.name,
                "input": f"const done = await tools.exec_command({call}); text(done);",
                "status": "completed",
            }
        if isinstance(turn, Run):
            name, arguments = shell_of(asked, turn)
            return {
                "type": "function_call",
                "id": f"fc_{number:08}",
                "call_id": f"call_{number:08}",
                "name": name,
                "arguments": json.dumps(arguments),
                "status": "completed",
            }
        said = {"type": "output_text", "text": turn.text, "annotations": []}
        return {
            "type": "message",
            "id": f"msg_{number:08}",
            "role": "assistant",
            "status": "completed",
            "content": [said],
        }


class Chat(Dialect):
    """OpenAI Chat Completions."""

    name = "chat"
    path_part = "/chat/completions"
    closes_with_done = True

    def parse(self, path: str, body: Json) -> Asked:
        del path
        messages: list[Json] = body.get("messages") or []
        results = [message for message in messages if message.get("role") == "tool"]
        functions: Iterable[Json] = (tool.get("function") or {} for tool in body.get("tools") or ())
        tools = tuple(make_tool(one.get("name", ""), one.get("parameters")) for one in functions)
        last = all_text(results[-1]) if results else ""
        return Asked(
            all_text(messages),
            len(results),
            last,
            tools,
            body.get("model", ""),
            bool(body.get("stream")),
            "bash",
        )

    def render(self, asked: Asked, turn: Turn, count: Count, number: int) -> Json:
        message = {"role": "assistant", "content": None} | self._message(asked, turn, number)
        choice = {"index": 0, "message": message, "finish_reason": self._finish(turn)}
        return self._envelope(asked, number, "chat.completion") | {
            "choices": [choice],
            "usage": self._usage(count),
        }

    def frames(self, asked: Asked, turn: Turn, count: Count, number: int) -> Frames:
        envelope = self._envelope(asked, number, "chat.completion.chunk")
        delta: Json = {"role": "assistant"} | self._message(asked, turn, number)
        for position, call in enumerate(delta.get("tool_calls", ())):
            call["index"] = position
        yield "", envelope | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield "", envelope | {"choices": [{"index": 0, "delta": {}, "finish_reason": self._finish(turn)}]}
        yield "", envelope | {"choices": [], "usage": self._usage(count)}

    def error(self, status: int, text: str) -> Json:
        return openai_error(status, text)

    def _envelope(self, asked: Asked, number: int, kind: str) -> Json:
        return {"id": f"chatcmpl-{number:08}", "object": kind, "created": 1_760_000_000, "model": asked.model}

    def _finish(self, turn: Turn) -> str:
        return "tool_calls" if isinstance(turn, Run) else "stop"

    def _message(self, asked: Asked, turn: Turn, number: int) -> Json:
        if not isinstance(turn, Run):
            return {"content": turn.text}
        name, arguments = shell_of(asked, turn)
        function = {"name": name, "arguments": json.dumps(arguments)}
        return {"tool_calls": [{"id": f"call_{number:08}", "type": "function", "function": function}]}

    def _usage(self, count: Count) -> Json:
        read = count.fresh + count.cached
        return {
            "prompt_tokens": read,
            "completion_tokens": count.written,
            "total_tokens": read + count.written,
            "prompt_tokens_details": {"cached_tokens": count.cached},
        }


class Gemini(Dialect):
    """Google's generateContent."""

    name = "gemini"
    path_part = "enerateContent"

    def parse(self, path: str, body: Json) -> Asked:
        contents: list[Json] = body.get("contents") or []
        parts = [part for content in contents for part in content.get("parts") or ()]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
        tools = tuple(
            make_tool(one.get("name", ""), one.get("parametersJsonSchema") or one.get("parameters"))
            for one in declared
        )
        last = all_text(results[-1].get("response")) if results else ""
        text = all_text([body.get("systemInstruction"), *contents])
        model = path.rpartition("/models/")[2].partition(":")[0]
        return Asked(text, len(results), last, tools, model, ":stream" in path, "run_shell_command")

    def render(self, asked: Asked, turn: Turn, count: Count, number: int) -> Json:
        read = count.fresh + count.cached
        content = {"role": "model", "parts": [self._part(asked, turn)]}
        return {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": read,
                "cachedContentTokenCount": count.cached,
                "candidatesTokenCount": count.written,
                "totalTokenCount": read + count.written,
            },
            "modelVersion": asked.model,
            "responseId": f"resp-{number:08}",
        }

    def frames(self, asked: Asked, turn: Turn, count: Count, number: int) -> Frames:
        yield "", self.render(asked, turn, count, number)

    def error(self, status: int, text: str) -> Json:
        names = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}
        return {"error": {"code": status, "message": text, "status": names.get(status, "INTERNAL")}}

    def _part(self, asked: Asked, turn: Turn) -> Json:
        if not isinstance(turn, Run):
            return {"text": turn.text}
        name, arguments = shell_of(asked, turn)
        return {"functionCall": {"name": name, "args": arguments}}


def openai_error(status: int, text: str) -> Json:
    """The body of OpenAI's refusals."""
    kinds = {
        401: ("invalid_request_error", "invalid_api_key"),
        429: ("rate_limit_error", "rate_limit_exceeded"),
    }
    kind, code = kinds.get(status, ("server_error", "server_error"))
    text = "Incorrect API key provided: stand-in." if status == 401 else text
    return {"error": {"message": text, "type": kind, "code": code, "param": None}}


DIALECTS: tuple[Dialect, ...] = (Messages(), Responses(), Chat(), Gemini())


def dialect_of(path: str) -> Dialect | None:
    """The API that a path belongs to; None for those that are no model's turn (lists of models, counts, telemetry)."""
    plain = path.partition("?")[0].rstrip("/")
    return next((one for one in DIALECTS if plain.endswith(one.path_part)), None)
