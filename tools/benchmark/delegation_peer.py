"""The other side of `tools/bench delegation`: answers at once, over MQTT, HTTP or gRPC."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np

from daemon.background import wire
from daemon.background.mqtt import BrokerOptions
from daemon.background.reasoner import Say, keep
from daemon.background.service import Worker
from daemon.background.tools.result import Result
from daemon.background.wire import Answer, AnswerType, Ask

SENTENCE = "An M8 bolt in aluminium takes 16 newton metres."


class Reasoner:
    """Has the answer ready."""

    def answer(self, ask: Ask, clip: np.ndarray | None,
               cancelled: Callable[[], bool], frames: Sequence[bytes] = (),
               say: Say = keep) -> Result | None:
        """As `daemon.background.reasoner.Reasoner`."""
        return Result((SENTENCE,), source="benchmark")


def answered(payload: bytes) -> bytes:
    """The answer to a request, both as on the wire."""
    ask = wire.parse(Ask, payload)
    return wire.encode(Answer(id=ask.id, worker="peer", type=AnswerType.FINAL, text=SENTENCE,
                              source="benchmark"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # status, headers and body in one packet

    def do_POST(self) -> None:  # noqa: N802, the base class names it so
        body = answered(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        """Nothing."""


def serve_mqtt(url: str) -> None:
    """The product's worker."""
    worker = Worker(Reasoner(), BrokerOptions(url), "peer", 4)
    worker.start()
    worker.subscribed.wait()


def serve_http(port: str) -> None:
    """The standard library's server, a thread a connection."""
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler)
    Thread(target=server.serve_forever, daemon=True).start()


def serve_grpc(port: str) -> None:
    """A server with one unary method, bytes in and out."""
    import grpc

    method = grpc.unary_unary_rpc_method_handler(lambda payload, context: answered(payload))
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tagalong.Background", {"Ask": method}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    _KEPT.append(server)


_KEPT: list[object] = []
"""A gRPC server stops when nothing refers to it."""


def main() -> None:
    """`KIND WHERE`: serve, say so, and end with standard input."""
    kind, where = sys.argv[1:]
    {"mqtt": serve_mqtt, "http": serve_http, "grpc": serve_grpc}[kind](where)
    print("ready", flush=True)
    while os.read(0, 4_096):
        continue


if __name__ == "__main__":
    main()
