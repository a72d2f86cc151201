"""Taking tagalong's own voice out of the microphone, and putting it in where there is no room.

`EchoCanceller` is WebRTC's AEC3 through whichever library is installed. `SyntheticRoom` is its
opposite for runs from files: it adds what tagalong plays to the microphone, through a room.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from daemon.pcm import FULL_SCALE
from daemon.senses.audio_files import read_audio
from daemon.senses.errors import BadInput
from daemon.turn import SAMPLE_RATE, TURN_SAMPLES

BLOCK = SAMPLE_RATE // 100
"""AEC3 works on 10 ms."""
ROOM_GAIN_DB = -6.0
"""Level of the echo against what was played: an open loudspeaker at the temple is loud."""
MAX_ROOM_S = 1.0
"""A longer impulse response is cut here, where a room has faded."""
ROOM_DELAY_S = 0.004
"""Way from the loudspeaker to the microphone of the built-in room: 4 ms, with device buffers."""
ROOM_DECAY_S = 0.012
"""Decay of the built-in room to 1/e."""

Cancel = Callable[[np.ndarray, np.ndarray], np.ndarray]


class EchoCanceller:
    """Removes from the microphone what the loudspeaker played, without touching the rest.

    No noise suppression and no gain control: the network was trained on sound as it is. The sound
    comes out 8 ms later than it went in. Echo delays up to about 400 ms are found by themselves.

    Raises:
        BadInput: no library is installed, or an unknown one was asked for.
    """

    def __init__(self, backend: str = "auto") -> None:
        makers = {"pywebrtc": _pywebrtc, "livekit": _livekit}
        if backend not in ("auto", *makers):
            raise BadInput(f"echo canceller {backend!r}: expected auto, pywebrtc or livekit")
        self._make, self.backend = _first_of(makers if backend == "auto"
                                             else {backend: makers[backend]})
        self._cancel = self._make()
        self.resets = 0
        """Times it started to learn anew."""

    def process(self, mic: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """One micro-turn: what was captured and what was played meanwhile, (n,) int16 each.

        n is a multiple of 160, usually 3200. Returns (n,) int16 of its own.
        """
        if len(mic) != len(reference) or len(mic) % BLOCK:
            raise ValueError(f"expected two equally long pieces of a multiple of {BLOCK} samples, "
                             f"got {len(mic)} and {len(reference)}")
        clean = np.empty(len(mic), np.int16)
        for start in range(0, len(mic), BLOCK):
            piece = slice(start, start + BLOCK)
            clean[piece] = self._cancel(mic[piece], reference[piece])
        return clean

    def reset(self) -> None:
        """Forget the room: a device was changed or reopened."""
        self._cancel = self._make()
        self.resets += 1


def _first_of(makers: dict[str, Callable[[], Cancel]]) -> tuple[Callable[[], Cancel], str]:
    refused = []
    for name, make in makers.items():
        try:
            make()
        except ImportError as error:
            refused.append(f"{name}: {error}")
            continue
        return make, name
    raise BadInput("no echo canceller is installed (" + "; ".join(refused) + "); "
                   "install one with: pip install pywebrtc-audio")


def _pywebrtc() -> Cancel:
    from pywebrtc_audio import EchoCanceller as Aec3

    return Aec3(SAMPLE_RATE, 1, 0).process


def _livekit() -> Cancel:
    from livekit.rtc import AudioFrame
    from livekit.rtc.apm import AudioProcessingModule

    module = AudioProcessingModule(echo_cancellation=True)

    def cancel(mic: np.ndarray, reference: np.ndarray) -> np.ndarray:
        far = AudioFrame(bytearray(reference.tobytes()), SAMPLE_RATE, 1, BLOCK)
        near = AudioFrame(bytearray(mic.tobytes()), SAMPLE_RATE, 1, BLOCK)
        module.process_reverse_stream(far)
        module.process_stream(near)
        return np.frombuffer(near.data, np.int16)

    return cancel


class SyntheticRoom:
    """Mixes what was played, as a room would carry it, into what the microphone of a file heard.

    Raises:
        BadInput: the impulse response cannot be read or is silent.
    """

    def __init__(self, impulse_response_path: str | Path | None = None,
                 gain_db: float = ROOM_GAIN_DB) -> None:
        if impulse_response_path is None:
            response = _built_in_response()
        else:
            response = read_audio(impulse_response_path).astype(np.float32)
        energy = float(np.sqrt(np.sum(response.astype(np.float64) ** 2)))
        if energy == 0:
            raise BadInput(f"{impulse_response_path}: this impulse response is silent")
        response = response[: round(MAX_ROOM_S * SAMPLE_RATE)] * (10 ** (gain_db / 20) / energy)
        self._size = 1 << (TURN_SAMPLES + len(response) - 1).bit_length()
        self._spectrum = np.fft.rfft(response, self._size)
        self._tail = np.zeros(self._size, np.float64)

    def mix(self, mic: np.ndarray, played: np.ndarray) -> np.ndarray:
        """One micro-turn, (3200,) int16 each: the microphone as it would have heard both."""
        if len(mic) != TURN_SAMPLES or len(played) != TURN_SAMPLES:
            raise ValueError(f"expected {TURN_SAMPLES} samples each, "
                             f"got {len(mic)} and {len(played)}")
        # Overlap-add: what this turn leaves ringing is kept for the next ones.
        self._tail += np.fft.irfft(np.fft.rfft(played, self._size) * self._spectrum, self._size)
        heard = mic + self._tail[:TURN_SAMPLES]
        self._tail[:-TURN_SAMPLES] = self._tail[TURN_SAMPLES:]
        self._tail[-TURN_SAMPLES:] = 0
        return np.clip(np.rint(heard), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _built_in_response() -> np.ndarray:
    """A direct sound and a short dense decay, always the same."""
    length = round(6 * ROOM_DECAY_S * SAMPLE_RATE)
    decay = np.exp(-np.arange(length) / (ROOM_DECAY_S * SAMPLE_RATE))
    response = np.random.default_rng(0).standard_normal(length) * decay * 0.3
    response[0] = 1.0
    delay = np.zeros(round(ROOM_DELAY_S * SAMPLE_RATE))
    return np.concatenate([delay, response]).astype(np.float32)
