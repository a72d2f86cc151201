"""For tests whose subject is everything around the network: a network whose replies are written
down, and small media files."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from daemon.ledger import LedgerStore
from daemon.turn import Act, MicroTurn, Reply, Slots

RATE = 16_000


class Script:
    """Micro-turn -> fields of its reply; keeps what it was shown."""

    def __init__(self, plan: dict[int, dict] | None = None) -> None:
        self.plan = plan or {}
        self.turns: list[MicroTurn] = []

    def step(self, turn: MicroTurn) -> Reply:
        self.turns.append(turn)
        return Reply(turn.index, **self.plan.get(turn.index, {}))

    def reset(self) -> None:
        self.turns = []


def command(name: str, *heard: str, **slots) -> dict:
    """Reply in which a command was complete."""
    return {"heard": ("tagalong", *heard) if heard else (), "act": Act(name, Slots(**slots), 0.99)}


SQUATS = command("count_reps", "tagalong", "count", "my", "squats", item="squats")


def noise(seconds: float, level: float = 300.0, seed: int = 0) -> np.ndarray:
    """(n,) int16 at 16 kHz."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(round(seconds * RATE)) * level).astype(np.int16)


def write_sound(path: Path, pcm: np.ndarray, rate: int = RATE, codec: str = "pcm_s16le",
                channels: int = 1) -> Path:
    """Encode (n,) int16 as sound of any rate, codec and channel count."""
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.repeat(pcm, channels)[None], "s16", layout)
        frame.sample_rate = rate
        wanted = av.AudioResampler(stream.format.name, layout, rate, stream.frame_size or None)
        for part in [*wanted.resample(frame), *wanted.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def write_video(path: Path, frames: int, fps: int = 10, size: tuple[int, int] = (160, 120),
                codec: str = "libx264") -> Path:
    """A light square that moves over a dark ground; size: width, height."""
    pixels = {"gif": "rgb8"}.get(codec, "yuv420p")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.thread_count = 1
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), 30, np.uint8)
            left = number * 4 % (size[0] - 20)
            picture[20:60, left : left + 20] = 230
            frame = av.VideoFrame.from_ndarray(picture).reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_lines(path: Path) -> list[dict]:
    """Events of a file; a last line that is being written is left out."""
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def of(events: list[dict], kind: str) -> list[dict]:
    """Events of a kind."""
    return [event for event in events if event["kind"] == kind]


def book_on_disk(state: Path) -> dict:
    """The ledger's book as a run over files has saved it so far; empty before the first time."""
    path = state / "ledger-files.sqlite"
    if not path.exists():
        return {}
    store = LedgerStore(path)
    try:
        return (store.load() or {}).get("book", {})
    finally:
        store.close()
