"""A live MPEG-TS stream for one test: `python ts_server.py PORT` serves one client at 25 fps.

A process of its own: PyAV holds the interpreter while it waits for a client.
"""

import itertools
import sys
import threading
import time

import av
import numpy as np

pace = threading.Event()
print("ready", flush=True)
try:
    with av.open(f"tcp://127.0.0.1:{sys.argv[1]}?listen=1", "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.gop_size = 5
        pixels = np.full((120, 160, 3), 90, np.uint8)
        start = time.monotonic()
        for number in itertools.count(1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            pace.wait(max(0.0, start + number / 25 - time.monotonic()))
except (av.error.FFmpegError, OSError):
    sys.exit(0)  # the client went away first
