"""Sound from and to files: any format that PyAV decodes in, 16 kHz mono WAV out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from daemon.pcm import to_int16
from daemon.senses.errors import BadInput
from daemon.turn import SAMPLE_RATE

HEADER_BYTES = 44
"""Length of the WAV header that `WavWriter` writes."""
MAX_DATA_BYTES = 0xFFFF_FFFF - HEADER_BYTES
"""WAV sizes are 32 bits wide: about 37 hours of 16 kHz mono."""
UNKNOWN_BYTES = 0xFFFF_0000
"""A WAV that declares more was written while nobody knew how long it would become."""
SHORT_S = 0.5
"""A track that is so much shorter than its file declares is damaged or was cut off."""
READABLE = "WAV, FLAC, MP3, Opus, or a video with a sound track"


def read_audio(path: str | Path) -> np.ndarray:
    """Read a whole file as (n,) int16 mono at 16 kHz.

    Raises:
        BadInput: it cannot be read, has no sound track, or the track is empty.
    """
    return np.concatenate(list(stream_audio(path)))


def stream_audio(path: str | Path) -> Iterator[np.ndarray]:
    """Decode a file piece by piece: (n,) int16 mono at 16 kHz, at least one sample in all.

    Raises:
        BadInput: as `read_audio`, also for damage that shows only in the middle of the file.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file; give a file with {READABLE}")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty (0 bytes); give a file with {READABLE}")
    samples = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise BadInput(f"{path}: has no sound track; give a file with {READABLE}")
            declared_s = _declared_s(container, path)
            for chunk in _decoded(container):
                samples += len(chunk)
                yield chunk
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise BadInput(f"{path}: cannot be decoded as sound ({error}) after "
                       f"{samples / SAMPLE_RATE:.1f} s; give a file with {READABLE}") from error
    if samples == 0:
        raise BadInput(f"{path}: its sound track holds no samples; record it again")
    if declared_s is not None and samples / SAMPLE_RATE < declared_s - SHORT_S:
        raise BadInput(f"{path}: its sound ends after {samples / SAMPLE_RATE:.1f} s of the "
                       f"{declared_s:.1f} s that it declares: it is damaged or was cut off; "
                       "copy it again, or go on with what was heard")


def _declared_s(container, path: Path) -> float | None:
    """Length of the first sound track by the file's own word, seconds; None where it has none or
    only estimates it (an MP3 from its bit rate)."""
    track = container.streams.audio[0]
    if container.format.name == "mp3" or not track.duration or track.time_base is None:
        return None
    declared_s = float(track.duration * track.time_base)
    if container.format.name == "wav" and track.bit_rate:
        # PyAV takes the length of what is there; a WAV that was being streamed knows no length
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8)[4:], "little") + 8
        missing = size - path.stat().st_size
        if 0 < missing < UNKNOWN_BYTES - path.stat().st_size:
            declared_s += missing * 8 / track.bit_rate
    return declared_s


def _decoded(container) -> Iterator[np.ndarray]:
    """Non-empty int16 pieces at 16 kHz of a container's first sound track, channels averaged."""
    import av
    import soxr

    planar = av.AudioResampler(format="fltp")
    stream = None
    for frame in container.decode(audio=0):
        if stream is None and frame.sample_rate != SAMPLE_RATE:
            stream = soxr.ResampleStream(frame.sample_rate, SAMPLE_RATE, 1, dtype="float32")
        for part in planar.resample(frame):
            mono = part.to_ndarray().mean(axis=0, dtype=np.float32)
            piece = mono if stream is None else stream.resample_chunk(mono)
            if len(piece):
                yield to_int16(piece)
    if stream is not None:
        rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
        if len(rest):
            yield to_int16(rest)


class WavWriter:
    """A 16 kHz mono 16-bit WAV file that is complete after every `append`, whatever happens next.

    Raises:
        BadInput: the file cannot be created.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.samples = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what was appended is the kernel's at once and outlives a killed process.
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise BadInput(f"{path}: cannot write sound there ({error.strerror}); "
                           "choose a folder that you may write to") from error
        self._file.write(self._header())

    def append(self, pcm: np.ndarray) -> None:
        """Add (n,) int16 samples."""
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            raise TypeError(f"expected (n,) int16 samples, got {pcm.shape} {pcm.dtype}")
        self._file.write(pcm.tobytes())
        self.samples += len(pcm)
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()

    def _header(self) -> bytes:
        data = min(self.samples * 2, MAX_DATA_BYTES)
        return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", data + HEADER_BYTES - 8, b"WAVE",
                           b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16, b"data", data)
