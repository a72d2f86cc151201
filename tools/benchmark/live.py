"""The program live on a virtual sound card: deadlines, step times and latency as played."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from daemon.events import to_line
from daemon.options import RunOptions
from daemon.record import read
from daemon.run import Runner
from models import grammar
from models.scenarios import voices
from tests.virtual_glasses import ALSA_CONFIG, VirtualGlasses, missing
from tools.benchmark import score
from tools.benchmark.items import RATE, levelled

COMMANDS = ("what is the date", "louder", "softer", "battery level", "start a stopwatch",
            "how long so far", "stop the stopwatch", "read back my readings", "what can you do",
            "count my squats", "how many was that", "stop counting")
EVERY_S = 7.0
VOICE = "m1"
"""A voice that the network knows: the path is measured here, not the recognition."""


def measure(minutes: float) -> dict:
    """Speak a command every seven seconds; figures of the whole run."""
    problem = missing()
    if problem:
        raise SystemExit(f"tools/bench live: {problem}; next: run tools/test once")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o700)
        (folder / "alsa.conf").write_text(ALSA_CONFIG)
        os.environ.update(PULSE_SERVER=f"unix:{folder}/native", PULSE_LATENCY_MSEC="40",
                          ALSA_CONFIG_PATH=str(folder / "alsa.conf"))
        glasses = VirtualGlasses(folder)
        glasses.start()
        try:
            events, health = _session(glasses, folder, minutes)
        finally:
            glasses.close()
        latencies = _latencies(events, folder / "live.mcap")
    right = [e for e in events if e["kind"] == "act" and e["text"] == _asked(e["t_s"])]
    figures = {
        "minutes": minutes, "health": health, "commands": int(minutes * 60 / EVERY_S),
        "commands understood": len(right),
        "of these read back": sum(e.get("outcome") == "asked" for e in right),
        "end of command to sound, median s": score.percentile(latencies, 50),
        "end of command to sound, p95 s": score.percentile(latencies, 95),
        "latency items": len(latencies),
    }
    print(json.dumps(figures, indent=1))
    return figures


def _session(glasses: VirtualGlasses, folder: Path, minutes: float) -> tuple[list[dict], dict]:
    events: list[dict] = []
    options = RunOptions(microphone="glasses_mic", speaker="glasses_ear", camera="synthetic",
                         broker="none", record=folder / "live.mcap", state_dir=folder,
                         runtime_dir=folder)
    stopping, results = threading.Event(), []
    session = threading.Thread(target=lambda: results.append(Runner().run(
        options, [lambda e: events.append(json.loads(to_line(e)))], stopping)))
    session.start()
    ends_at = time.monotonic() + minutes * 60
    number = 0
    while time.monotonic() < ends_at:
        words = ["tagalong", *COMMANDS[number % len(COMMANDS)].split()]
        pcm = levelled(voices.espeak().speak(words, VOICE).pcm, -22)
        glasses.speak(pcm.astype(np.int16))
        number += 1
        time.sleep(min(EVERY_S, max(ends_at - time.monotonic(), 0)))
    stopping.set()
    session.join()
    return events, results[0].health


def _asked(at_s: float) -> str:
    """Intent of the command that was spoken last; a session begins a little before the first."""
    words = COMMANDS[int(at_s / EVERY_S) % len(COMMANDS)]
    return grammar.parse(words.split())[0]


def _latencies(events: list[dict], recording: Path) -> list[float]:
    """From the end of speech in the recorded microphone to the start of the reply as played, where
    the command was understood, as in the suite of commands."""
    sound = np.concatenate([turn.audio for turn, _ in read(recording)]).astype(np.float32)
    blocks = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    loud = np.sqrt((blocks**2).mean(1)) > 32768 * 10 ** (-45 / 20)
    found = []
    said = [e for e in events if e["kind"] == "say" and e.get("cause") == f"act:{_asked(e['t_s'])}"]
    spoken = {e["utterance"]: e for e in events if e["kind"] == "spoken"}
    for say in said:
        sounded = spoken.get(say["utterance"])
        if sounded is None:
            continue
        before = np.flatnonzero(loud[: int(sounded["start_s"] * RATE / 320)])
        if len(before) and sounded["start_s"] - (before[-1] + 1) * 0.02 < 3.0:
            found.append(round(sounded["start_s"] - (before[-1] + 1) * 0.02, 3))
    return found
