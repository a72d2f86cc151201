"""Step time and memory of the whole program over simulated time, all streams on."""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import numpy as np

from daemon.run import Runner
from models.scenarios import video
from tools.benchmark import silence
from tools.benchmark.program import FPS, write_wav
from tools.benchmark.source import Source

PIECE_S = 60.0


def _rss_mib() -> float:
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


def measure(minutes: float) -> dict:
    """Run `minutes` of talk and motion; step times in ms, memory in MiB at every minute."""
    with tempfile.TemporaryDirectory() as folder:
        sound = silence.generated(Source(), 1).pcm
        write_wav(Path(folder) / "in.wav", np.resize(sound, int(minutes * 60 * 16_000)))
        _film(Path(folder) / "in.mp4", minutes)
        memory: dict[int, float] = {}

        def look(event) -> None:
            memory.setdefault(int(event.t_s // 60), round(_rss_mib(), 1))

        done = Runner().run_files(Path(folder) / "in.wav", Path(folder) / "in.mp4",
                                  Path(folder) / "out.wav", listeners=[look])
    later = [m for minute, m in memory.items() if minute >= 2]
    figures = {"turns": done.turns, "health": done.health, "memory MiB by minute": memory,
               "growth after 2 minutes MiB": round(max(later) - min(later), 1) if later else None}
    print(figures)
    return figures
