"""An HTTP server on loopback that speaks OpenAI's chat completions as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[dict], "Iterator[bytes] | int"]
"""Body of the request -> lines of the stream, or an HTTP status."""


def chunk(delta: dict, finish: str | None = None) -> bytes:
    """One server-sent event of a stream."""
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(body)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def says(*pieces: str) -> Reply:
    """Text in pieces."""
    def reply(body: dict) -> Iterator[bytes]:
        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces:
            yield chunk({"content": piece})
        yield chunk({}, "stop")
        yield DONE
    return reply


def calls(name: str, arguments: dict) -> Reply:
    """A tool call, its arguments in two pieces."""
    text = json.dumps(arguments)
    half = len(text) // 2

    def reply(body: dict) -> Iterator[bytes]:
        head = {"index": 0, "id": "call_1", "type": "function",
                "function": {"name": name, "arguments": text[:half]}}
        yield chunk({"role": "assistant", "tool_calls": [head]})
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": text[half:]}}]})
        yield chunk({}, "tool_calls")
        yield DONE
    return reply


def hangs(after: bytes = b"", seconds: float = 30.0) -> Reply:
    """Nothing more, for a long time."""
    def reply(body: dict) -> Iterator[bytes]:
        yield after
        time.sleep(seconds)
    return reply


def breaks_off(body: dict) -> Iterator[bytes]:
    """Half an answer, then the end of the connection."""
    yield chunk({"role": "assistant", "content": "The torque is"})


def rubbish(body: dict) -> Iterator[bytes]:
    """No JSON at all."""
    yield b"data: {]] \xff\xfe\n\n"
    yield DONE


def refuses(status: int) -> Reply:
    """An HTTP error."""
    return lambda body: status


@dataclass
class Endpoint:
    """A running server; its replies are used up one after the other, the last one stays."""

    url: str
    replies: list[Reply]
    asked: list[dict] = field(default_factory=list)
    """Bodies of the requests."""
    keys: list[str] = field(default_factory=list)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on loopback until the block ends; its address up to and with `/v1`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def endpoint(*replies: Reply) -> Iterator[Endpoint]:
    """Serve until the block ends."""
    stage = Endpoint("", list(replies))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stage.asked.append(body)
            stage.keys.append(self.headers.get("Authorization", ""))
            reply = stage.replies.pop(0) if len(stage.replies) > 1 else stage.replies[0]
            made = reply(body)
            if isinstance(made, int):
                self.send_response(made)
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for line in made:
                    self.wfile.write(line)
                    self.wfile.flush()
            except OSError:
                return  # the client has gone

    with serving(Handler) as stage.url:
        yield stage
