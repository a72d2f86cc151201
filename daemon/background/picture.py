"""Pictures as attachments: a JPEG that came over the network, checked before anybody sees it."""

from __future__ import annotations

import io

from daemon.background.wire import BadPayload

MAX_FRAME_BYTES = 131_072
"""A frame of 640 x 480 at quality 80 is about 60,000 bytes."""
MAX_SIDE = 1_024
"""Longest side, pixels."""


def check_jpeg(data: bytes) -> bytes:
    """The same bytes, when they are one JPEG that decodes.

    Raises:
        BadPayload: too large, not JPEG, damaged, or more pixels than a frame has.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise BadPayload("size", f"{len(data)} bytes, at most {MAX_FRAME_BYTES}")
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        raise BadPayload("picture", "not a JPEG")
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="jpeg_pipe") as container:
            stream = container.streams.video[0]
            if not 0 < max(stream.width, stream.height) <= MAX_SIDE:
                raise BadPayload("picture", f"a side longer than {MAX_SIDE} pixels")
            if next(container.decode(video=0), None) is None:
                raise BadPayload("picture", "no picture in it")
    except BadPayload:
        raise
    except Exception as error:  # damage trips any part of the decoder
        raise BadPayload("picture", f"not JPEG ({type(error).__name__})") from None
    return data
