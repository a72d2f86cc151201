"""Renders a scenario as the files that the program takes: input.wav and input.mp4."""

from __future__ import annotations

import copy
import wave
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from models.scenarios import noises, script, voices
from models.scenarios.script import Background, Say, Scenario, See

if TYPE_CHECKING:  # scenes need opencv
    from models.scenarios.scene import Light, Scene

RATE = 16_000
FPS = 10
PERSON_PX = 95.0
"""Height of somebody who exercises, of the picture's 120."""


def utterance(rng: np.random.Generator, say: Say, voice: str) -> tuple[np.ndarray, np.ndarray]:
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
    if say.far:
        from models.scenarios.sound import far

        pcm = far(rng, pcm)
    loud = np.abs(pcm) > 0.05 * np.abs(pcm).max()
    return pcm * (10 ** (say.level_db / 20) * 32768 / np.sqrt((pcm[loud] ** 2).mean())), ends


def sound(scenario: Scenario, folder: Path = Path()) -> np.ndarray:
    """The microphone's int16 input. `folder`: where the scenario's recordings are.

    Raises ScenarioError for a voice or a recording that is not there.
    """
    rng = np.random.default_rng(scenario.seed)
    out = noises.hiss(rng, int(scenario.seconds * RATE), scenario.noise_db)
    for n, say in enumerate(scenario.say):
        try:
            pcm, _ = utterance(rng, say, scenario.voices[say.who])
        except (OSError, KeyError) as error:
            raise _no_voice(say.who, scenario.voices[say.who], error) from error
        except ValueError as error:
            raise script.ScenarioError(f"say.{n}.text = {say.text!r}: {error}; next: write numbers "
                                       "and abbreviations as words") from error
        _add(out, pcm, say.at_s)
    for other in scenario.sound:
        peak = 10 ** (other.level_db / 20) * 32768
        _add(out, noises.moment(rng, other.kind) * peak, other.at_s)
    for n, layer in enumerate(scenario.background):
        _add(out, _background(rng, layer, n, scenario.seconds, folder), layer.from_s)
    return np.clip(out, -32768, 32767).astype(np.int16)


def _no_voice(who: str, voice: str, error: Exception) -> script.ScenarioError:
    return script.ScenarioError(f"voices.{who} = {voice!r}: cannot be used here ({error}); next: "
                                "take an espeak voice, or install its engine")


def _background(rng: np.random.Generator, layer: Background, number: int, seconds: float,
                folder: Path) -> np.ndarray:
    n = int((min(layer.to_s, seconds) - layer.from_s) * RATE)
    if layer.kind:
        return noises.levelled(noises.background(rng, layer.kind, max(n, 0)), layer.level_db)
    try:
        return noises.levelled(noises.recording(folder / layer.file, n), layer.level_db)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise script.ScenarioError(f"background.{number}.file = {layer.file!r}: cannot be read "
                                   f"({error}); next: name a sound file, relative to {folder}"
                                   ) from error


def check_voices(scenario: Scenario) -> None:
    """Raises ScenarioError for a voice that nobody has."""
    known = {*voices.speakers(True), *voices.speakers(False), *voices.speakers(False, True)}
    for who, voice in scenario.voices.items():
        if voice not in known:
            raise script.ScenarioError(f"voices.{who} = {voice!r}: there is no such voice; "
                                       "expected engine:speaker such as espeak:m1, espeak:f2 or "
                                       "flite:slt; next: see models/scenarios/voices.py for all")


def _add(target: np.ndarray, pcm: np.ndarray, at_s: float) -> None:
    at = int(at_s * RATE)
    part = pcm[: max(len(target) - at, 0)]
    target[at : at + len(part)] += part


def _depth(sets: tuple[See, ...], times: np.ndarray) -> np.ndarray:
    """Posture at times in seconds: 0 at the start posture, 1 at the other end."""
    depth = np.zeros(len(times))
    for part in sets:
        phase = (times - part.from_s) / part.period_s
        going = (phase > 0) & (phase < part.reps)
        depth[going] = 0.5 - 0.5 * np.cos(2 * np.pi * phase[going])
    return depth


def pictures(scenario: Scenario) -> np.ndarray:
    """(n, 120, 160, 3) uint8 frames at 10 per second: a drawn room, and who exercises in it.

    Who exercises first stands there from the beginning; another exercise is a cut to another
    posture of the same person halfway through the break.
    """
    import cv2

    from models.scenarios.scene import drawn_backdrop, light, render

    cv2.setNumThreads(1)
    rng = np.random.default_rng(scenario.seed)
    n = int(scenario.seconds * FPS)
    lit, backdrop = light(rng, n, False), drawn_backdrop(rng)
    times = (np.arange(n) + 1) / FPS
    frames = np.empty((n, 120, 160, 3), np.uint8)
    for sets, first, last in _parts(scenario.see, n):
        own = copy.deepcopy(rng)  # the same clothes in every part
        now = replace(lit, gain=lit.gain[first:last], offset=lit.offset[first:last])
        frames[first:last] = render(own, _scene(own, sets, times[first:last], now, backdrop))
    return frames


def _scene(rng: np.random.Generator, sets: tuple[See, ...], times: np.ndarray, lit: Light,
           backdrop: np.ndarray) -> Scene:
    """One part of the film: sets of one exercise, a walk, or nothing."""
    from models.scenarios import figures, motion
    from models.scenarios.scene import Scene

    kind = sets[0].kind if sets else None
    n, depth = len(times), _depth(sets, times)
    camera = motion.moving_camera(rng, n, "walk") if kind == "walk" else motion.fixed_camera(n)
    scene = Scene(camera, lit, backdrop, depth)
    if kind not in (None, "walk"):
        scene.layers.append(figures.person(rng, depth, kind, PERSON_PX))
    return scene


def _parts(see: tuple[See, ...], n: int) -> list[tuple[tuple[See, ...], int, int]]:
    """Sets of one exercise that follow each other, and from which frame to which they last."""
    groups: list[list[See]] = []
    for one in see:
        if groups and groups[-1][-1].kind == one.kind:
            groups[-1].append(one)
        else:
            groups.append([one])
    starts = [0, *(_change(a[-1], b[0]) for a, b in zip(groups, groups[1:])), n]
    return [(tuple(group), *span) for group, *span in
            zip(groups or [[]], starts, starts[1:] if groups else [n])]


def _change(before: See, after: See) -> int:
    """Frame at which the picture changes: halfway through the break."""
    done_s = min(before.from_s + before.reps * before.period_s, after.from_s)
    return int((done_s + after.from_s) / 2 * FPS)


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
    path = Path(path)
    scenario = script.load(path)
    try:
        check_voices(scenario)
        pcm = sound(scenario, path.parent)
    except script.ScenarioError as error:
        raise script.ScenarioError(f"{path}: {error}") from error
    out.mkdir(parents=True, exist_ok=True)
    with wave.open(str(out / "input.wav"), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(pcm.tobytes())
    write_video(pictures(scenario), out / "input.mp4")
    return out / "input.wav", out / "input.mp4"
