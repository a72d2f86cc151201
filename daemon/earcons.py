"""Four short sounds that say something without words, generated once.

Each is at most 250 ms, at the level of the voice, and different in direction as well as in pitch,
so that it is told apart on a bad loudspeaker: up = accepted, down = muted, twice low = error,
falling in three = link lost.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from daemon.pcm import to_int16
from daemon.turn import SAMPLE_RATE

LEVEL = 0.25
"""Peak of an earcon, -12 dBFS."""
EDGE_SAMPLES = SAMPLE_RATE // 200
"""Rise and fall of each note: 5 ms, so that it does not click."""
NOTES: dict[str, tuple[tuple[float, int], ...]] = {
    "accepted": ((660, 50), (990, 70)),
    "muted": ((660, 70), (440, 90)),
    "error": ((220, 90), (0, 40), (220, 90)),
    "link_lost": ((784, 60), (587, 60), (392, 90)),
}
"""Name to notes: frequency in Hz (0 is a rest) and length in ms."""


@cache
def earcon(name: str) -> np.ndarray:
    """The earcon `name` as (n,) int16 at 16 kHz, not to be changed.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in NOTES:
        raise ValueError(f"earcon {name!r}: expected one of {', '.join(NOTES)}")
    sound = to_int16(np.concatenate([_note(hz, length_ms) for hz, length_ms in NOTES[name]]))
    sound.flags.writeable = False
    return sound


def _note(hz: float, length_ms: int) -> np.ndarray:
    """A tone with a weak octave above it, which small loudspeakers carry better."""
    t_s = np.arange(length_ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * hz * t_s) + 0.3 * np.sin(4 * np.pi * hz * t_s)
    edge = np.minimum(np.arange(len(tone)), np.arange(len(tone))[::-1]) / EDGE_SAMPLES
    return (LEVEL / 1.3 * tone * np.minimum(1.0, edge)).astype(np.float32)
