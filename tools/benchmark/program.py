"""Runs items through the whole program: files in, events and sound out, one session an item."""

from __future__ import annotations

import json
import shutil
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from daemon.acts import Acts
from daemon.config import Config, EngineConfig
from daemon.events import to_line
from daemon.governor import Governor
from daemon.ledger import Ledger, LedgerStore
from daemon.run import Runner
from daemon.senses.audio_files import read_audio
from daemon.turn import Act, Slots
from tools.benchmark.items import RATE, Item

FPS = 10
TASKS = {
    "count_reps": Act("count_reps", Slots(item="squats")),
    "set_timer": Act("set_timer", Slots(number=2, unit="hour")),
}


@dataclass
class Result:
    """What came out."""

    events: list[dict]
    own: np.ndarray
    """int16 at 16 kHz, sample 0 is sample 0 of the input."""
    delay_s: float
    """Declared time from a decision to its sound."""
    health: dict


class Program:
    """The program with its model loaded once."""

    def __init__(self, broker: bool = False, weights: Path | None = None) -> None:
        self._broker = "embedded" if broker else "none"
        self._runner = Runner(Config(engine=EngineConfig(weights=weights)))
        self._folder = Path(tempfile.mkdtemp(suffix="-bench"))
        self._room = self._folder / "room.wav"
        write_wav(self._room, room_response())

    def close(self) -> None:
        """Forget the files of the last item."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, item: Item) -> Result:
        """One session over the item's files."""
        folder = self._folder / "item"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "state").mkdir(parents=True)
        write_wav(folder / "in.wav", item.pcm)
        camera: Path | str = "none"
        if item.frames is not None:
            camera = folder / "in.mkv"
            write_lossless(camera, item.frames)
        if item.task or item.truth.get("readings"):
            _store(folder / "state", begun(item))
        heard: list[dict] = []
        done = self._runner.run_files(
            folder / "in.wav", camera, folder / "out.wav", broker=self._broker,
            echo=self._room if item.echo else None,
            state_dir=folder / "state", listeners=[lambda e: heard.append(json.loads(to_line(e)))])
        return Result(heard, read_audio(folder / "out.wav"), 0.1, done.health)


def begun(item: Item) -> Ledger:
    """A ledger as an earlier part of the session would have left it."""
    ledger = Ledger()
    acts = Acts(ledger, Governor())
    if item.task:
        acts.apply(TASKS[item.task], (), 0.0)
    for number, thing in enumerate(item.truth.get("readings", ())):
        acts.apply(Act("reading", Slots(number=100 + 7 * number, item=thing)), (), 0.0)
    return ledger


def _store(state: Path, ledger: Ledger) -> None:
    store = LedgerStore(state / "ledger-files.sqlite")
    store.save(ledger.snapshot())
    store.close()


def room_response(t60_s: float = 0.25, delay_s: float = 0.006) -> np.ndarray:
    """int16 impulse response of a small room from loudspeaker to microphone: the direct sound, then
    noise that decays by 60 dB in `t60_s` (Polack's model)."""
    n = int(t60_s * RATE)
    tail = np.random.default_rng(11).standard_normal(n) * 10 ** (-3 * np.arange(n) / n) * 0.12
    tail[0] = 1.0
    return np.concatenate([np.zeros(int(delay_s * RATE)), tail * 12_000]).astype(np.int16)


def write_wav(path: Path, pcm: np.ndarray) -> None:
    """int16 mono at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())


def write_lossless(path: Path, frames: np.ndarray) -> None:
    """(n, H, W, 3) uint8 as FFV1, which keeps every pixel."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for rgb in frames:
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="bgr0")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
