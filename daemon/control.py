"""The local door of a running daemon: `tagalong status`, `mute` and `unmute`.

A Unix socket that only this user (or, below systemd, its group) may open. One JSON object a line
each way: `{"verb": "mute", "sensor": "all", "for_s": 600}` is answered by `{"ok": true, ...}` or
`{"ok": false, "error": "...", "next": "..."}`.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.mute import LONGEST_S, DeviceStuck, MuteControl, MuteRefused, Reason, parse_sensors

Handler = Callable[[dict[str, Any]], dict[str, Any]]

LONGEST_LINE_BYTES = 4096
"""Longest request."""
LONGEST_ANSWER_BYTES = 1 << 20
"""Longest answer that a client reads."""
CLIENT_TIMEOUT_S = 2.0
"""A client that says nothing for this long is let go."""
LONGEST_PATH_BYTES = 107
"""Source: unix(7), sun_path holds 108 bytes with the final zero."""


class ControlError(Exception):
    """The daemon cannot be reached or refused; the message says why and what to do next."""


class ControlServer:
    """A thread that answers one client after the other."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler], mode: int = 0o600) -> None:
        """`handlers` maps verbs to functions, which run in this server's thread.

        Raises:
            ControlError: another daemon answers there, or the socket cannot be made.
        """
        self._path = path
        self._handlers = dict(handlers)
        self._listener = _listen(path, mode)
        self._inode = os.stat(path).st_ino
        self._closing = False
        self.requests = 0
        """Requests answered."""
        self.faults = 0
        """Handlers that failed for a reason of their own."""
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and take the socket away."""
        self._closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass  # already shut: nobody waits in accept
        self._thread.join(timeout=2 * CLIENT_TIMEOUT_S)
        self._listener.close()
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass  # somebody took it away before us

    def __enter__(self) -> ControlServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                self.faults += 1
                continue
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        """Serve one client; one that goes away or stays silent harms nobody else."""
        client.settimeout(CLIENT_TIMEOUT_S)
        try:
            line = _read_line(client, LONGEST_LINE_BYTES)
            if line:
                reply = self._dispatch(line)
                client.sendall(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
                self.requests += 1
        except OSError:
            self.faults += 1

    def _dispatch(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            verb = request["verb"]
            handler = self._handlers[verb]
        except (ValueError, TypeError, KeyError):
            verbs = ", ".join(sorted(self._handlers))
            return _refused(f"not understood; expected one JSON object with a verb of {verbs}")
        try:
            return {"ok": True, **handler(request)}
        except (MuteRefused, DeviceStuck, ControlError, ValueError) as error:
            return _refused(str(error))
        except Exception as error:  # the door stays open, and the client learns the cause
            self.faults += 1
            return _refused(f"{verb} failed: {type(error).__name__}: {error}")


def mute_handlers(
    mute: MuteControl, now: Callable[[], float], status: Callable[[], dict[str, Any]]
) -> dict[str, Handler]:
    """A daemon's verbs: `now` is the clock that `mute` lives by, `status` the rest of a report."""

    def on_status(_: dict[str, Any]) -> dict[str, Any]:
        return {"sensors": mute.status(now()), **status()}

    def on_mute(request: dict[str, Any]) -> dict[str, Any]:
        for_s = _duration(request.get("for_s"))
        mute.mute(parse_sensors(str(request.get("sensor"))), Reason.COMMAND, now(), for_s)
        return {"sensors": mute.status(now())}

    def on_unmute(request: dict[str, Any]) -> dict[str, Any]:
        mute.unmute(parse_sensors(str(request.get("sensor"))), Reason.COMMAND, now())
        return {"sensors": mute.status(now())}

    return {"status": on_status, "mute": on_mute, "unmute": on_unmute}


def ask(path: Path, request: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Send one request to the running daemon and return its answer.

    Raises:
        ControlError: no daemon answers at `path`, or it refused.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(timeout_s)
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            reply = json.loads(_read_line(client, LONGEST_ANSWER_BYTES))
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError(
            f"No tagalong is running (nothing answers at {path}). "
            "Next: tagalong run, or systemctl start tagalong"
        ) from None
    except PermissionError:
        raise ControlError(
            f"This user may not open {path}. Next: use sudo, or join the group tagalong"
        ) from None
    except (OSError, ValueError) as error:
        raise ControlError(
            f"The running tagalong gave no answer at {path} ({error or 'closed'}). "
            "Next: journalctl -u tagalong"
        ) from error
    if not reply.get("ok"):
        raise ControlError(str(reply.get("error")))
    return reply


def _listen(path: Path, mode: int) -> socket.socket:
    if len(os.fsencode(path)) > LONGEST_PATH_BYTES:
        raise ControlError(
            f"{path}: longer than the {LONGEST_PATH_BYTES} bytes of a socket's address; "
            "next: set a shorter XDG_RUNTIME_DIR"
        )
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        os.chmod(path, mode)  # before listen: until then nobody can connect
        listener.listen(4)
    except OSError as error:
        listener.close()
        raise ControlError(f"{path}: {error.strerror}; next: ls -ld {path.parent}") from error
    return listener


def _remove_stale(path: Path) -> None:
    """Take away what a killed daemon left; never the socket of a living one."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CLIENT_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ControlError(f"{path}: {error}; next: remove it by hand") from error
    raise ControlError(f"Another tagalong answers at {path}. Next: tagalong status")


def _read_line(connection: socket.socket, longest: int) -> bytes:
    """Bytes up to the first line break, or to the end."""
    data = bytearray()
    while b"\n" not in data:
        if len(data) > longest:
            raise OSError(f"more than {longest} bytes in a line")
        chunk = connection.recv(4096)
        if not chunk:
            break
        data += chunk
    return bytes(data).partition(b"\n")[0]


def _duration(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"for_s = {value!r}: must be a number of seconds")
    if not 1.0 <= value <= LONGEST_S:
        raise ValueError(f"for_s = {value!r}: must be from 1 to {LONGEST_S:g}")
    return float(value)


def _refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}
