"""Say text as sound: one `Voice` over whatever synthesiser is there, with phrases kept ready.

Sentences come out trimmed to at most 10 ms of silence at either end (so that the first sound is
immediate) and at one level. Numbers are clips of at most 400 ms, for counting aloud.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from daemon.pcm import compress_time, level, trim_silence
from daemon.senses.errors import BadInput
from daemon.turn import SAMPLE_RATE
from daemon.voice_engines import Engine, EspeakVoice, FliteVoice, PiperVoice, split_sentences

NUMBER_SAMPLES = SAMPLE_RATE * 400 // 1000
"""Longest clip of a number: 400 ms."""
MAX_NUMBER = 999
CACHE_SAMPLES = 240 * SAMPLE_RATE
"""Sound that the phrase cache holds before the least recently used goes: 4 minutes, 8 MB."""
CLIP_VERSION = 1
"""Raised when the making of number clips changes, so that stored ones are made anew."""
ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


class Voice(Protocol):
    """Text to sound, 16 kHz mono int16."""

    name: str
    """Engine and voice, for instance `flite:slt`."""
    reason: str
    """Why this one and not another, in a few words."""

    def speak(self, text: str) -> np.ndarray:
        """A whole text as (n,) int16; empty where there is nothing to say."""

    def stream(self, text: str) -> Iterator[np.ndarray]:
        """The same sentence by sentence, each made when it is asked for."""

    def number(self, n: int) -> np.ndarray:
        """A number from 0 to 999 as a clip of at most 400 ms."""


def number_words(n: int) -> str:
    """How a counting person says `n`: 105 is "one oh five", 147 "one forty seven".

    Raises:
        ValueError: `n` is not within 0 to 999.
    """
    if not 0 <= n <= MAX_NUMBER:
        raise ValueError(f"number {n}: expected 0 to {MAX_NUMBER}")
    hundreds, rest = divmod(n, 100)
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (f" {ONES[n % 10]}" if n % 10 else "")
    if rest == 0:
        return f"{ONES[hundreds]} hundred"
    return f"{ONES[hundreds]} {'oh ' if rest < 10 else ''}{number_words(rest)}"


class CachedVoice:
    """A `Voice` over an engine, with the phrases used last in memory and numbers on disk.

    Thread-safe: two threads that ask for the same phrase may both make it, nothing worse.
    """

    def __init__(self, engine: Engine, rate: float = 1.0, cache_dir: Path | None = None,
                 reason: str = "") -> None:
        self.name = engine.name
        self.reason = reason
        self._engine = engine
        self._rate = rate
        self._lock = threading.Lock()
        self._phrases: OrderedDict[str, np.ndarray] = OrderedDict()
        self._held = 0
        self._numbers: dict[int, np.ndarray] = {}
        self._folder = None if cache_dir is None else _number_folder(cache_dir, engine.name)

    def speak(self, text: str) -> np.ndarray:
        """See `Voice.speak`."""
        with self._lock:
            if text in self._phrases:
                self._phrases.move_to_end(text)
                return self._phrases[text]
        return self._keep(text, _finish(self._engine.synthesise(text, self._rate)))

    def stream(self, text: str) -> Iterator[np.ndarray]:
        """See `Voice.stream`."""
        pause = np.zeros(SAMPLE_RATE // 10, np.int16)
        for index, sentence in enumerate(split_sentences(text)):
            if index:
                yield pause
            yield self.speak(sentence)

    def number(self, n: int) -> np.ndarray:
        """See `Voice.number`. Raises ValueError outside 0 to 999."""
        if n not in self._numbers:
            words = number_words(n)
            clip = self._stored(n)
            if clip is None:
                # Compressing what was said at normal speed stayed better understood than letting
                # the synthesiser hurry: a recogniser read 70 of 79 against 68.
                clip = compress_time(_finish(self._engine.synthesise(words)), NUMBER_SAMPLES)
                self._store(n, clip)
            self._numbers[n] = clip
        return self._numbers[n]

    def _keep(self, text: str, sound: np.ndarray) -> np.ndarray:
        sound.flags.writeable = False
        with self._lock:
            if text not in self._phrases and len(sound) <= CACHE_SAMPLES // 8:
                self._phrases[text] = sound
                self._held += len(sound)
            while self._held > CACHE_SAMPLES:
                self._held -= len(self._phrases.popitem(last=False)[1])
        return sound

    def _stored(self, n: int) -> np.ndarray | None:
        """The clip on disk; None where there is none, or it is damaged."""
        if self._folder is None:
            return None
        try:
            clip = np.load(self._folder / f"{n}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        fits = clip.dtype == np.int16 and clip.ndim == 1 and 0 < len(clip) <= NUMBER_SAMPLES
        return clip if fits else None

    def _store(self, n: int, clip: np.ndarray) -> None:
        """Keep the clip on disk. A full disk costs only the time to make it again."""
        if self._folder is None:
            return
        draft = self._folder / f"{n}.{os.getpid()}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                np.save(file, clip)
            draft.replace(self._folder / f"{n}.npy")
        except OSError as error:
            self._folder = None
            self.reason += f"; number clips are not kept on disk ({error.strerror})"


def _finish(sound: np.ndarray) -> np.ndarray:
    return level(trim_silence(sound))


def _number_folder(cache_dir: Path, name: str) -> Path:
    key = hashlib.sha256(f"{name} {CLIP_VERSION}".encode()).hexdigest()[:12]
    return Path(cache_dir) / f"numbers-{key}"


def open_voice(name: str = "auto", rate: float = 1.0,
               cache_dir: str | Path | None = None) -> CachedVoice:
    """The voice called `name` at `rate` times normal speed.

    `auto` takes flite (slt), else espeak-ng. `flite` or `flite:VOICE`, `espeak` or `espeak:VOICE`,
    and the path of a Piper voice (`.onnx`, with or without `piper:` before it) name one.

    Raises:
        BadInput: it cannot be had, with the reason of each that was tried.
    """
    if not 0.5 <= rate <= 3.0:
        raise BadInput(f"voice rate {rate}: expected 0.5 to 3.0")
    folder = None if cache_dir is None else Path(cache_dir)
    if name == "auto":
        engine, reason = _first_engine()
    else:
        engine, reason = _named_engine(name)(), f"{name} is configured"
    return CachedVoice(engine, rate, folder, reason)


def _first_engine() -> tuple[Engine, str]:
    """flite first: a recogniser understood it best of those that are always there."""
    refused = []
    for make in (FliteVoice, EspeakVoice):
        try:
            engine = make()
        except BadInput as error:
            refused.append(str(error))
            continue
        return engine, "; ".join([f"{engine.name} is the best voice installed", *refused])
    raise BadInput("no voice is installed: " + "; ".join(refused))


def _named_engine(name: str) -> Callable[[], Engine]:
    kind, _, detail = name.partition(":")
    if kind == "flite":
        return lambda: FliteVoice(detail or "slt")
    if kind == "espeak":
        return lambda: EspeakVoice(detail or "en-us")
    if kind == "piper" or name.endswith(".onnx"):
        return lambda: PiperVoice(name.removeprefix("piper:"))
    raise BadInput(f"voice {name!r}: expected auto, flite[:VOICE], espeak[:VOICE] or the path of "
                   "a Piper voice (.onnx)")
