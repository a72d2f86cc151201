"""Sound clips as attachments: 16 kHz mono int16 to FLAC and back, through PyAV."""

from __future__ import annotations

import io

import numpy as np

from daemon.background.wire import MAX_ATTACHMENT_BYTES, BadPayload

CLIP_RATE = 16_000
MAX_CLIP_S = 30


def encode_flac(samples: np.ndarray) -> bytes:
    """FLAC of (T,) int16 at 16 kHz.

    Raises:
        ValueError: another shape or sample type, or longer than `MAX_CLIP_S`.
    """
    if samples.ndim != 1 or samples.dtype != np.int16 or not samples.size:
        raise ValueError(
            f"clip: shape {samples.shape} of {samples.dtype}, expected (T,) of int16, T at least 1"
        )
    if samples.size > MAX_CLIP_S * CLIP_RATE:
        raise ValueError(f"clip: {samples.size} samples, at most {MAX_CLIP_S * CLIP_RATE}")
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=CLIP_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = CLIP_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def decode_flac(data: bytes) -> np.ndarray:
    """(T,) int16 at 16 kHz of a FLAC clip.

    Raises:
        BadPayload: too large, not FLAC, another rate or more than one channel, or too long.
    """
    if len(data) > MAX_ATTACHMENT_BYTES:
        raise BadPayload("size", f"{len(data)} bytes, at most {MAX_ATTACHMENT_BYTES}")
    import av

    blocks: list[np.ndarray] = []
    samples = 0
    try:
        with av.open(io.BytesIO(data), "r", format="flac") as container:
            for frame in container.decode(audio=0):
                if frame.sample_rate != CLIP_RATE or frame.layout.nb_channels != 1:
                    raise BadPayload("audio", f"expected {CLIP_RATE} Hz mono")
                blocks.append(frame.to_ndarray().reshape(-1))
                samples += blocks[-1].size
                if samples > MAX_CLIP_S * CLIP_RATE:
                    raise BadPayload("audio", f"longer than {MAX_CLIP_S} s")
    except BadPayload:
        raise
    except Exception as error:  # damage trips any part of the decoder: tags that are no UTF-8, say
        raise BadPayload("audio", f"not FLAC ({type(error).__name__})") from None
    if not blocks:
        raise BadPayload("audio", "no sound in it")
    if blocks[0].dtype != np.int16:
        raise BadPayload("audio", "expected 16-bit samples")
    return np.concatenate(blocks)
