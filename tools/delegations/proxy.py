"""A TCP proxy on this machine that delays, holds up, tears and cuts what goes through it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable

from daemon.background.broker import free_port

CHUNK_BYTES = 65_536
START_S = 5.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for no time at all."""


class Proxy:
    """Listens on `port` and forwards to `to_port`. Its methods may be called by any thread."""

    def __init__(self, to_port: int, host: str = "127.0.0.1") -> None:
        """host: address of this machine to listen at."""
        self.port, self._host = free_port(), host
        self.delay_s = 0.0
        """Added to every chunk, each way."""
        self.down = False
        """New connections are refused."""
        self._to_port = to_port
        self._tear = False
        self._flows: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Proxy:
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError(f"the proxy does not listen on port {self.port}")
        return self

    def __exit__(self, *error: object) -> None:
        self._call(self._abort_all)
        self._call(self._loop.stop)
        self._thread.join(timeout=START_S)

    def cut(self) -> None:
        """Reset all connections."""
        self._call(self._abort_all)

    def hold(self, held: bool) -> None:
        """While held, nothing comes through and nobody is told."""
        self._call(self._passing.clear if held else self._passing.set)

    def tear(self) -> None:
        """The next chunk comes through by half, then its connection is reset."""
        self._tear = True

    def heal(self) -> None:
        """Let everything through again."""
        self.delay_s, self.down, self._tear = 0.0, False, False
        self.hold(False)

    def _call(self, work: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(work)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._passing.set()
        start = asyncio.start_server(self._connected, self._host, self.port)
        server = self._loop.run_until_complete(start)
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _abort_all(self) -> None:
        for writer in list(self._flows):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, far[1]):  # an abort is then a reset, not an end in order
            one.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._flows |= {writer, far[1]}
        try:
            await asyncio.gather(self._pump(reader, far[1]), self._pump(far[0], writer))
        except (OSError, asyncio.CancelledError):
            pass  # one of the ends is gone, or the proxy ends: so does the other
        finally:
            for one in (writer, far[1]):
                one.transport.abort()
                self._flows.discard(one)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._passing.wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self._tear:
                self._tear = False
                writer.write(chunk[: len(chunk) // 2])
                await writer.drain()
                raise ConnectionAbortedError
            writer.write(chunk)
            await writer.drain()
        raise ConnectionAbortedError
