"""Renders a scenario as the files that the program takes: input.wav and input.mp4."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from models.scenarios import script, voices
from models.scenarios.script import Say, Scenario, See

RATE = 16_000
FPS = 10


def _tone_free_noise(rng, n: int, level_db: float) -> np.ndarray:
    """Brownish room noise at a level, float32."""
    white = rng.standard_normal(n).astype(np.float32)
    smooth = np.convolve(white, np.ones(12, np.float32) / 12, "same")
    return smooth / (smooth.std() + 1e-9) * 10 ** (level_db / 20) * 32768


def _burst(rng, kind: str) -> np.ndarray:
    """A cough or a knock, unit peak."""
    seconds, bursts = (0.35, 2) if kind == "cough" else (0.06, 1)
    n = int(seconds * RATE)
    one = rng.standard_normal(n) * np.exp(-np.linspace(0, 6, n))
    gap = np.zeros(int(0.12 * RATE))
    parts = [one] + [part for _ in range(bursts - 1) for part in (gap, one * 0.7)]
    sound = np.concatenate(parts)
    return (sound / np.abs(sound).max()).astype(np.float32)


def utterance(rng, say: Say, voice: str) -> tuple[np.ndarray, np.ndarray]:
    """PCM at its level (float32) and the end of each word in seconds, pause included."""
    words = say.text.lower().replace(",", "").replace("?", "").replace(".", "").split()
    if voice.startswith("espeak:"):
        spoken = voices.espeak().speak(words, voice.split(":")[1], "en-us", say.rate)
    else:
        spoken = voices.speak(rng, words, True, voice)
    pcm, ends = spoken.pcm.astype(np.float32), spoken.ends_s.copy()
    if say.pause:
        cut, gap = int(ends[say.pause.after - 1] * RATE), int(say.pause.s * RATE)
        pcm = np.concatenate([pcm[:cut], np.zeros(gap, np.float32), pcm[cut:]])
        ends[say.pause.after :] += say.pause.s
    loud = np.abs(pcm) > 0.05 * np.abs(pcm).max()
    return pcm * (10 ** (say.level_db / 20) * 32768 / np.sqrt((pcm[loud] ** 2).mean())), ends


def sound(scenario: Scenario) -> np.ndarray:
    """The microphone's int16 input. Raises ScenarioError for a speaker without a voice."""
    rng = np.random.default_rng(scenario.seed)
    out = _tone_free_noise(rng, int(scenario.seconds * RATE), scenario.noise_db)
    for say in scenario.say:
        if say.who not in scenario.voices:
            raise script.ScenarioError(f"say at {say.at_s} s: who = {say.who!r} has no entry in "
                                       f"[voices] ({', '.join(scenario.voices)})")
        pcm, _ = utterance(rng, say, scenario.voices[say.who])
        _add(out, pcm, say.at_s)
    for other in scenario.sound:
        _add(out, _burst(rng, other.kind) * 10 ** (other.level_db / 20) * 32768, other.at_s)
    return np.clip(out, -32768, 32767).astype(np.int16)


def _add(target: np.ndarray, pcm: np.ndarray, at_s: float) -> None:
    at = int(at_s * RATE)
    part = pcm[: max(len(target) - at, 0)]
    target[at : at + len(part)] += part


def _depth(see: tuple[See, ...], n: int) -> np.ndarray:
    """Posture over time: 0 at the start posture, 1 at the other end."""
    t = (np.arange(n) + 1) / FPS
    depth = np.zeros(n)
    for part in see:
        phase = (t - part.from_s) / part.period_s
        going = (phase > 0) & (phase < part.reps)
        depth[going] = 0.5 - 0.5 * np.cos(2 * np.pi * phase[going])
    return depth


def pictures(scenario: Scenario) -> np.ndarray:
    """(n, 120, 160, 3) uint8 frames at 10 per second; one drawn person in a drawn room."""
    import cv2

    from models.scenarios import figures, motion
    from models.scenarios.scene import Scene, drawn_backdrop, light, render

    cv2.setNumThreads(1)
    rng = np.random.default_rng(scenario.seed)
    n = int(scenario.seconds * FPS)
    depth = _depth(scenario.see, n)
    kind = next((s.kind for s in scenario.see if s.kind != "walk"), None)
    walks = kind is None and bool(scenario.see)
    camera = motion.moving_camera(rng, n, "walk") if walks else motion.fixed_camera(n)
    scene = Scene(camera, light(rng, n, False), drawn_backdrop(rng), depth)
    if kind:
        scene.layers.append(figures.person(rng, depth, kind, 95.0))
    return render(rng, scene)


def write_video(frames: np.ndarray, path: Path) -> None:
    """Write frames (n, H, W, 3) uint8 as an MP4 at 10 per second, doubled in size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = 600_000
        for rgb in frames:
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(320, 240, "yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def render(path: Path, out: Path) -> tuple[Path, Path]:
    """Write input.wav and input.mp4 of a scenario file into the folder `out`.

    Raises ScenarioError when the file cannot be used.
    """
    import wave

    scenario = script.load(path)
    out.mkdir(parents=True, exist_ok=True)
    with wave.open(str(out / "input.wav"), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(sound(scenario).tobytes())
    write_video(pictures(scenario), out / "input.mp4")
    return out / "input.wav", out / "input.mp4"
