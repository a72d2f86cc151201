"""A live MPEG-TS stream for one test: `python ts_server.py PORT` serves one client at 25 fps.

A process of its own: PyAV holds the interpreter while it waits for a client.
"""

import sys
import threading

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
        while not pace.wait(0.04):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
except (av.error.FFmpegError, OSError):
    sys.exit(0)  # the client went away first
