"""Step time, memory and understanding of the whole program over simulated time, all streams on.

The same commands are asked in the first and in the last ten minutes: what a session forgets or gets
slow at shows as a difference. Between them people talk, and somebody exercises in view throughout.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from daemon.config import Config, EngineConfig
from daemon.run import Runner
from daemon.senses.audio_files import read_audio
from models.scenarios import video
from tools.benchmark import commands, silence
from tools.benchmark.items import Item
from tools.benchmark.program import FPS, Result, write_wav
from tools.benchmark.source import Source

RATE = 16_000
PIECE_S = 60.0
BLOCK_S = 600.0
"""Length of the first and of the last block of commands."""
PASSING = frozenset((
    "how_many", "log_set", "log_weight", "time_left", "elapsed", "clock", "date", "reading",
    "recall_reading", "read_back", "battery", "status", "help", "hello", "thanks", "present",
    "why", "calculate", "convert",
))
"""Commands that leave nothing running: one item must not disturb the next."""


@dataclass(frozen=True)
class Asked:
    """A command, and where the session hears it."""

    item: Item
    at_s: float


def rss_mib() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def _film(path: Path, minutes: float) -> None:
    """Repetitions and other motion, a minute of pictures over and over."""
    rng = np.random.default_rng(1)
    frames = np.concatenate([video.clip(rng, 20.0).frames for _ in range(int(PIECE_S // 20))])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 800_000
        for i in range(int(minutes * 60 * FPS)):
            picture = av.VideoFrame.from_ndarray(frames[i % len(frames)], "rgb24")
            container.mux(stream.encode(picture.reformat(format="yuv420p")))
        container.mux(stream.encode())


def _block() -> list[Item]:
    """Passing commands of about ten minutes, of the reported items."""
    items: list[Item] = []
    seconds, number = 0.0, 0
    while seconds < BLOCK_S:
        item = commands.make(Source(), number)
        number += 1
        if item.truth["intent"] in PASSING:
            items.append(item)
            seconds += len(item.pcm) / RATE
    return items[:-1]


def _sound(minutes: float) -> tuple[np.ndarray, list[Asked], list[Asked]]:
    """Sound of the session, and the commands of its first and of its last block."""
    total = int(minutes * 60 * RATE)
    pcm = np.resize(silence.generated(Source(), 1).pcm, total)
    if minutes * 60 < 2 * BLOCK_S:
        return pcm, [], []
    blocks = []
    for start in (0, total - int(BLOCK_S * RATE)):
        asked, at = [], start
        for item in _block():
            pcm[at : at + len(item.pcm)] = item.pcm
            asked.append(Asked(item, at / RATE))
            at += len(item.pcm)
        blocks.append(asked)
    return pcm, *blocks


def _understood(asked: list[Asked], events: list[dict], own: np.ndarray) -> dict:
    """Figures of the suite of commands over one block."""
    found = []
    for one in asked:
        seconds = len(one.item.pcm) / RATE
        mine = [{**e, "t_s": e["t_s"] - one.at_s} for e in events
                if one.at_s < e["t_s"] <= one.at_s + seconds]
        first = int(one.at_s * RATE)
        part = own[first : first + len(one.item.pcm)]
        found.append(commands.judge(one.item, Result(mine, part, 0.1, {})))
    return {"items": len(found), **commands.summary(found)}


def measure(minutes: float, weights: Path | None = None, pictures: bool = True) -> dict:
    """Run `minutes` of commands, talk and motion; step times in ms, memory in MiB at every
    minute. Without `pictures` the camera is off."""
    memory: dict[int, float] = {}

    def look(event) -> None:
        memory.setdefault(int(event.t_s // 60), round(rss_mib(), 1))

    with tempfile.TemporaryDirectory() as folder:
        pcm, first, last = _sound(minutes)
        write_wav(Path(folder) / "in.wav", pcm)
        if pictures:
            _film(Path(folder) / "in.mp4", minutes)
        runner = Runner(Config(engine=EngineConfig(weights=weights)))
        done = runner.run_files(Path(folder) / "in.wav",
                                Path(folder) / "in.mp4" if pictures else "none",
                                Path(folder) / "out.wav", Path(folder) / "e.jsonl",
                                listeners=[look])
        # from the file, not kept in memory meanwhile: memory is what is measured
        events = [json.loads(line) for line in (Path(folder) / "e.jsonl").open()]
        own = read_audio(Path(folder) / "out.wav")
    later = [m for minute, m in memory.items() if minute >= 2]
    figures = {"turns": done.turns, "health": done.health, "memory MiB by minute": memory,
               "growth after 2 minutes MiB": round(max(later) - min(later), 1) if later else None}
    if first:
        figures |= {"commands of the first ten minutes": _understood(first, events, own),
                    "commands of the last ten minutes": _understood(last, events, own)}
    print(json.dumps(figures, indent=1))
    return figures
