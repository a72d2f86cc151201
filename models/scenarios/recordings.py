"""Real recordings that may be trained on, cut to clips with what is known of their words.

The folder is read in place and never copied; without it training runs on synthetic speech alone.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from models.splits import held_out_quarter

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RATE = 16_000
FOUND = Path(__file__).with_name("orders_found.csv")
"""Ends of words in recordings of orders, as `models.align` found them."""
SPEAKER_COLUMN = {"speech_commands": "speaker", "fsdd_digits": "speaker",
                  "barista_commands": "pseudo_speaker", "wake_words": "pseudo_speaker"}


@dataclass(frozen=True)
class Recording:
    """One clip."""

    pcm: np.ndarray
    """int16 (n,), 16 kHz."""
    words: tuple[tuple[str, float], ...]
    """What is said and where each word ends, seconds; empty where that is not known."""
    end_s: float
    """End of the speech by energy, seconds."""
    known: bool
    """Whether every word that is spoken is among `words`."""
    speech: bool
    """Whether anybody speaks."""


def decode(path: Path) -> np.ndarray:
    """int16 mono at 16 kHz of any audio file that PyAV reads."""
    resampler = av.AudioResampler("s16", "mono", 16_000)
    with av.open(str(path)) as container:
        parts = [f.to_ndarray()[0] for frame in container.decode(audio=0)
                 for f in resampler.resample(frame)]
        parts += [f.to_ndarray()[0] for f in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def speech_span_s(pcm: np.ndarray) -> tuple[float, float]:
    """From the first to the last 20 ms block within 25 dB of the loudest, seconds."""
    blocks = pcm[: len(pcm) // 320 * 320].reshape(-1, 320).astype(np.float32)
    power = 10 * np.log10((blocks**2).mean(1) + 1.0)
    loud = np.flatnonzero(power > power.max() - 25)
    return float(loud[0] * 0.02), float((loud[-1] + 1) * 0.02)


def labels(name: str) -> list[dict]:
    """Rows of the set's labels.csv."""
    with open(DATA / name / "labels.csv", newline="") as f:
        return list(csv.DictReader(f))


def rows(name: str, trained: bool) -> list[dict]:
    """Rows of the set's labels.csv on one side of the speaker split."""
    found = labels(name)
    column = SPEAKER_COLUMN[name]
    held = held_out_quarter(name, [r[column] for r in found if r[column]])
    return [r for r in found if (r[column] not in held) == trained]


@lru_cache(maxsize=8)
def recordings(name: str, trained: bool = True) -> list[Recording]:
    """All clips of a set on one side of the split; empty when the folder is absent."""
    if not (DATA / name).is_dir():
        return []
    found, ordered = [], _ordered()
    for row in rows(name, trained):
        pcm = decode(DATA / name / row["path"])
        if len(pcm) < 1600 or (name != "speech_commands" and np.abs(pcm).max() < 200):
            continue
        start_s, end_s = speech_span_s(pcm)
        label = row.get("label", "")
        words = (() if label == "_silence_" else _ends(label.split(), start_s, end_s) if label
                 else ordered.get(row["path"], ()))
        known = name != "barista_commands" and bool(words)
        found.append(Recording(pcm, words, end_s, known, label != "_silence_"))
    return found


def _ordered() -> dict[str, tuple[tuple[str, float], ...]]:
    """Path -> the words of an order that were found in it, with their ends in seconds."""
    with open(FOUND, newline="", encoding="utf-8") as f:
        told = {row["path"]: row["word_ends_s"].split() for row in csv.DictReader(f)}
    return {path: tuple(zip(parts[::2], map(float, parts[1::2]))) for path, parts in told.items()}


def _ends(words: list[str], start_s: float, end_s: float) -> tuple[tuple[str, float], ...]:
    """Words with their ends, each as long as its letters say."""
    letters = np.cumsum([len(w) for w in words])
    return tuple((w, float(start_s + (end_s - start_s) * n / letters[-1]))
                 for w, n in zip(words, letters))


@lru_cache(maxsize=1)
def rooms() -> list[np.ndarray]:
    """Measured room impulse responses, float32, unit energy; may be trained on."""
    if not (DATA / "rir").is_dir():
        return []
    found = []
    for path in sorted((DATA / "rir" / "audio").glob("*.flac")):
        response = decode(path).astype(np.float32)[:8000]
        found.append(response / np.sqrt((response**2).sum() + 1e-9))
    return found
