"""Speech items from voices, sentences and recordings that training never saw."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models import grammar
from models.scenarios import recordings, talk, voices

RATE = 16_000
LEAD_S = 1.0
TAIL_S = 3.5
NAME = ("tagalong",)


@dataclass
class Item:
    """One run of the program."""

    name: str
    pcm: np.ndarray
    """int16, 16 kHz."""
    truth: dict = field(default_factory=dict)
    frames: np.ndarray | None = None
    """(n, 120, 160, 3) uint8 at 10 per second."""
    task: str | None = None
    """Intent that is in force from the start: the set, timer or watch that runs."""
    echo: bool = False
    """The microphone also hears tagalong, through a synthetic room."""


TUNING_SEEDS = 1000
"""Item seeds from here on belong to tuning: their voices are other unseen ones."""


def in_a_room(seed: int) -> bool:
    """Half of the speech items hear tagalong's own voice; pairs of kinds are split evenly."""
    return seed // 4 % 2 == 1


def unseen_voice(rng: np.random.Generator, tuning: bool = False) -> str:
    """One of the held-out voices; a recorded speaker in one of four reported items."""
    names = voices.speakers(False, tuning)
    if tuning:
        return names[rng.integers(len(names))]
    recorded = [n for n in names if not n.startswith("espeak")]
    pool = recorded if rng.random() < 0.25 else [n for n in names if n.startswith("espeak")]
    return pool[rng.integers(len(pool))]


def speak(rng, words, voice: str) -> voices.Spoken:
    """As `voices.speak`, drawn again while flite splits the words otherwise."""
    for _ in range(5):
        try:
            return voices.speak(rng, words, False, voice)
        except ValueError:
            voice = unseen_voice(rng)
    return voices.espeak().speak(words, "m3")


def room_noise(rng, n: int, level_db: float) -> np.ndarray:
    """Smoothed noise at a level, float32."""
    noise = np.convolve(rng.standard_normal(n).astype(np.float32), np.ones(6, np.float32), "same")
    return noise / (noise.std() + 1e-9) * 10 ** (level_db / 20) * 32768


def levelled(pcm: np.ndarray, level_db: float) -> np.ndarray:
    """Speech brought to a level in dBFS, measured where it is loud."""
    pcm = pcm.astype(np.float32)
    loud = np.abs(pcm) > 0.05 * np.abs(pcm).max()
    return pcm * (10 ** (level_db / 20) * 32768 / (np.sqrt((pcm[loud] ** 2).mean()) + 1e-6))


def mix(parts, seconds: float, rng, noise_db: float) -> np.ndarray:
    """int16 of (at_s, float32) parts over room noise."""
    out = room_noise(rng, int(seconds * RATE), noise_db)
    for at_s, pcm in parts:
        at = int(at_s * RATE)
        part = pcm[: max(len(out) - at, 0)]
        out[at : at + len(part)] += part
    return np.clip(out, -32768, 32767).astype(np.int16)


def command_item(seed: int) -> Item:
    """One command by name; every fourth with a pause of 0.3 to 1.2 s inside."""
    rng = np.random.default_rng([1, seed])
    intents = list(grammar.INTENTS)
    intent = intents[seed % len(intents)]
    command = grammar.sample(rng, intent)
    voice = unseen_voice(rng, seed >= TUNING_SEEDS * 100_000)
    words = list(NAME) + list(command.words)
    spoken = speak(rng, words, voice)
    pcm, ends, pause = levelled(spoken.pcm, rng.uniform(-28, -18)), spoken.ends_s.copy(), None
    safe = [1] + [n + 1 for n in command.prefix_safe]
    if seed % 4 == 0:
        n, gap = safe[rng.integers(len(safe))], rng.uniform(0.3, 1.2)
        cut = int(ends[n - 1] * RATE)
        pcm = np.concatenate([pcm[:cut], np.zeros(int(gap * RATE), np.float32), pcm[cut:]])
        pause = (LEAD_S + ends[n - 1], LEAD_S + ends[n - 1] + gap)
        ends[n:] += gap
    noise_db = float(rng.uniform(-75, -50))
    seconds = LEAD_S + ends[-1] + TAIL_S
    return Item(f"command-{seed}-{intent}-{voice}", mix([(LEAD_S, pcm)], seconds, rng, noise_db), {
        "intent": intent, "slots": command.slots, "words": words, "pause": pause,
        "end_s": LEAD_S + float(ends[-1]), "voice": voice}, echo=in_a_room(seed))


STOPS = ("stop", "wait", "hold on", "be quiet", "never mind", "tagalong stop")
BACKCHANNELS = ("mm hm", "yeah", "right", "okay", "i see", "aha")
READINGS = ("valve", "gauge", "pump", "switch", "tank", "meter", "breaker", "filter", "boiler",
            "panel", "hose", "light")
"""Read back one after the other: tagalong speaks for some twenty seconds."""


def overlap_item(seed: int) -> Item:
    """Something is heard while tagalong reads back a list, asked for by a voice it knows."""
    rng = np.random.default_rng([2, seed])
    kind = ("interruption", "backchannel", "side_talk", "cough")[seed % 4]
    request = voices.espeak().speak("tagalong read back the readings".split(), "m1")
    at_s = LEAD_S + float(request.ends_s[-1]) + float(rng.uniform(2.0, 6.0))
    if kind == "cough":
        n = int(rng.uniform(0.15, 0.4) * RATE)
        pcm = levelled(rng.standard_normal(n) * np.exp(-np.linspace(0, 5, n)), -22)
        words, onset = [], 0.0
    else:
        pool = {"interruption": STOPS, "backchannel": BACKCHANNELS,
                "side_talk": [" ".join(s) for s in talk.sentences(False)[:400] if len(s) < 8]}
        words = pool[kind][rng.integers(len(pool[kind]))].split()
        spoken = speak(rng, words, unseen_voice(rng, seed >= TUNING_SEEDS * 100_000))
        pcm = levelled(spoken.pcm, -30 if kind == "side_talk" else -22)
        onset = float(np.flatnonzero(np.abs(pcm) > 0.05 * np.abs(pcm).max())[0]) / RATE
    seconds = at_s + len(pcm) / RATE + 4.0
    return Item(f"overlap-{seed}-{kind}", mix(
        [(LEAD_S, levelled(request.pcm, -22)), (at_s, pcm)], seconds, rng, -62), {
        "kind": kind, "onset_s": at_s + onset, "words": words, "readings": READINGS},
        echo=in_a_room(seed))


def silence_item(seed: int, seconds: float = 300.0) -> Item:
    """Talk, noise and commands without the name: nothing is meant for tagalong."""
    rng = np.random.default_rng([3, seed])
    parts, at_s = [], float(rng.uniform(0.5, 4))
    while at_s < seconds - 6:
        draw = rng.random()
        words = list(talk.sentences(False)[rng.integers(len(talk.sentences(False)))])
        if draw < 0.1:
            words = talk.question(rng)
        elif draw < 0.16:
            n = int(rng.uniform(0.05, 0.4) * RATE)
            noise = rng.standard_normal(n) * np.exp(-np.linspace(0, 6, n))
            parts.append((at_s, levelled(noise, rng.uniform(-35, -20))))
            at_s += 0.5
            continue
        spoken = speak(rng, words, unseen_voice(rng, seed >= TUNING_SEEDS * 1000))
        parts.append((at_s, levelled(spoken.pcm, rng.uniform(-36, -18))))
        at_s += len(spoken.pcm) / RATE + float(rng.exponential(1.5)) + 0.2
    task = ("count_reps", "set_timer")[seed // 2 % 2] if seed % 2 else None
    return Item(f"silence-{seed}", mix(parts, seconds, rng, float(rng.uniform(-72, -50))),
                {"seconds": seconds}, task=task, echo=in_a_room(seed))


def real_silence_items(folder=recordings.DATA) -> list[Item]:
    """Real sound that is not meant for tagalong, five minutes at a time, half with a task."""
    pieces = []
    for name, pattern in (("barista_commands", "audio/*.opus"), ("wake_words", "audio/*/*.opus"),
                          ("conversation", "audio/*.flac"), ("noise", "audio/*.flac"),
                          ("read_speech", "audio/*.flac")):
        held = None
        if name in recordings.SPEAKER_COLUMN:
            held = {r["path"] for r in recordings.rows(name, trained=False)}
        for path in sorted((folder / name).glob(pattern)):
            if held is None or str(path.relative_to(folder / name)) in held:
                pieces.append(recordings.decode(path))
    joined = np.concatenate([np.concatenate([p, np.zeros(8000, np.int16)]) for p in pieces])
    size = 300 * RATE
    return [Item(f"real-silence-{i}", joined[i * size : (i + 1) * size],
                 {"seconds": len(joined[i * size : (i + 1) * size]) / RATE},
                 task="count_reps" if i % 2 else None)
            for i in range(-(-len(joined) // size))]


def word_items(folder=recordings.DATA, per_item: int = 20) -> list[Item]:
    """Real single words by speakers never trained on, 1.6 s apart."""
    clips = []
    for name in ("speech_commands", "fsdd_digits"):
        for row in recordings.rows(name, trained=False):
            if row["label"] != "_silence_":
                clips.append((row["label"], name, folder / name / row["path"]))
    np.random.default_rng(5).shuffle(clips)
    items = []
    for i in range(0, len(clips), per_item):
        rng, parts, marks, at_s = np.random.default_rng([5, i]), [], [], 1.0
        for label, name, path in clips[i : i + per_item]:
            pcm = recordings.decode(path)
            parts.append((at_s, levelled(pcm, -24)))
            marks.append((at_s, at_s + len(pcm) / RATE, label, name))
            at_s += len(pcm) / RATE + 1.6
        items.append(Item(f"words-{i}", mix(parts, at_s, rng, -70), {"marks": marks}))
    return items
