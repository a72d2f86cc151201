"""Serves the page on loopback: three files and one JSON, nothing to change and nothing to run.

Only this machine can reach it, and it answers only to its own names (a page elsewhere that points a
name of its own at loopback is refused). Whoever is logged in on this machine can read it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from daemon.events import Event
from daemon.page.board import Board

HOST = "127.0.0.1"
FOLDER = Path(__file__).parent
FILES = {"/": ("index.html", "text/html"), "/page.js": ("page.js", "text/javascript"),
         "/page.css": ("page.css", "text/css")}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class PageError(Exception):
    """The page cannot be served; the message says why and what to do next."""


class PageServer:
    """Threads that answer; none outlives the process."""

    def __init__(self, port: int, state: Callable[[], dict[str, Any]]) -> None:
        """port: of loopback, 0 for any free one.

        Raises:
            PageError: the port is taken.
        """
        handler = type("Handler", (_Handler,), {"state": staticmethod(state)})
        try:
            self._server = ThreadingHTTPServer((HOST, port), handler)
        except OSError as error:
            raise PageError(f"the page cannot have port {port}: {error.strerror}; next: another "
                            "page.port, or 0 for none") from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="page",
                                        daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def open_page(port: int, muted: Callable[[], dict[str, bool]],
              listeners: list[Callable[[Event], None]], stack: ExitStack) -> list[tuple[str, str]]:
    """Serve what a listener of the session's events collects, until the stack closes it; gives
    ("page", why not) where it cannot be served."""
    board = Board()
    try:
        page = PageServer(port, lambda: {**board.state(), "muted": muted()})
    except PageError as error:
        return [("page", str(error))]
    listeners.append(board.see)
    stack.callback(page.close)
    return []


class _Handler(BaseHTTPRequestHandler):
    state: Callable[[], dict[str, Any]]
    timeout = 5.0
    server_version, sys_version = "tagalong", ""

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in (HOST, "localhost"):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"not a name of this page\n")
        elif self.path == "/state":
            self._send(HTTPStatus.OK, "application/json", json.dumps(self.state()).encode())
        elif self.path in FILES:
            name, media = FILES[self.path]
            self._send(HTTPStatus.OK, media, (FOLDER / name).read_bytes())
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here; see /\n")

    def _send(self, status: HTTPStatus, media: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{media}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Who looked is not written down."""
