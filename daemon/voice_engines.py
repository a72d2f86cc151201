"""The speech synthesisers: flite, espeak-ng and Piper, each behind `synthesise`.

All return whole utterances; the libraries keep global state, so one lock guards each.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from daemon.pcm import resample, to_int16
from daemon.senses.errors import BadInput

FLITE_STRETCH = 0.85
"""flite's own pace is slow for an assistant; 1.0 of ours is 0.85 of its durations."""
FLITE_LIMITS = (0.3, 3.0)
"""Stretches of durations within which flite stays understandable."""
ESPEAK_WPM = 165
"""Words a minute at speed 1.0."""
ESPEAK_LIMITS = (80, 450)
"""Words a minute that espeak-ng accepts. Source: speak_lib.h, espeakRATE."""


class Engine(Protocol):
    """A synthesiser."""

    name: str

    def synthesise(self, text: str, speed: float = 1.0) -> np.ndarray:
        """`text` as (n,) int16 at 16 kHz, `speed` times as fast as normal, as far as it can."""


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, each with its mark; what has no letter or digit is left out."""
    parts = re.split(r"(?<=[.!?;:])\s+|\n+", text.strip())
    return [part for part in parts if re.search(r"\w", part)]


def _plain(text: str) -> bytes:
    """UTF-8 without control characters, which a C string or a synthesiser cannot take."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text).encode("utf-8", "replace")


def _library(names: tuple[str, ...], package: str, mode: int = 0) -> ctypes.CDLL:
    """First of `names` that loads. Raises BadInput naming the Debian package."""
    problems = []
    for name in names:
        try:
            return ctypes.CDLL(name, mode=mode or ctypes.DEFAULT_MODE)
        except OSError as error:
            problems.append(str(error))
    raise BadInput(f"{problems[0]}; install it with: sudo apt install {package}")


# -- flite ------------------------------------------------------------------------------------


class _Wave(ctypes.Structure):
    """cst_wave of flite 2.x."""

    _fields_ = [("type", ctypes.c_char_p), ("rate", ctypes.c_int), ("samples", ctypes.c_int),
                ("channels", ctypes.c_int), ("data", ctypes.POINTER(ctypes.c_short))]


class _FliteVoice(ctypes.Structure):
    """First fields of flite's cst_voice."""

    _fields_ = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


class FliteVoice:
    """CMU flite through its library: voices slt (default), rms, awb, kal16.

    Raises:
        BadInput: the library or the voice is not installed.
    """

    _lock = threading.Lock()

    def __init__(self, voice: str = "slt") -> None:
        if voice not in ("slt", "rms", "awb", "kal16"):
            raise BadInput(f"flite has no voice {voice!r}; expected slt, rms, awb or kal16")
        self.name = f"flite:{voice}"
        library = _library(("libflite.so.1", "libflite.so"), "flite", ctypes.RTLD_GLOBAL)
        # Debian links the voices without naming what they need, so it is loaded first.
        for part in ("cmulex", "usenglish"):
            _library((f"libflite_{part}.so.1", f"libflite_{part}.so"), "flite",
                     ctypes.RTLD_GLOBAL)
        voices = _library((f"libflite_cmu_us_{voice}.so.1",), "flite")
        library.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
        library.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.POINTER(_FliteVoice)]
        library.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
        library.flite_feat_set_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]
        register = getattr(voices, f"register_cmu_us_{voice}")
        register.restype, register.argtypes = ctypes.POINTER(_FliteVoice), [ctypes.c_char_p]
        with self._lock:
            library.flite_init()
            self._voice = register(None)
        self._library, self._c = library, ctypes.CDLL(None)

    def synthesise(self, text: str, speed: float = 1.0) -> np.ndarray:
        """See `Engine.synthesise`."""
        if not re.search(r"\w", text):
            return np.zeros(0, np.int16)
        stretch = min(max(FLITE_STRETCH / speed, FLITE_LIMITS[0]), FLITE_LIMITS[1])
        with self._lock:
            # flite excites its filter with the C library's random numbers: from the same seed the
            # same text is the same sound, which a replay relies on.
            self._c.srand(1)
            self._library.flite_feat_set_float(self._voice.contents.features,
                                               b"duration_stretch", stretch)
            wave = self._library.flite_text_to_wave(_plain(text), self._voice)
            sound = np.ctypeslib.as_array(wave.contents.data, (wave.contents.samples,)).copy()
            rate = wave.contents.rate
            self._library.delete_wave(wave)
        return resample(sound, rate)


# -- espeak-ng --------------------------------------------------------------------------------

_ESPEAK_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int,
                                    ctypes.c_void_p)
_SYNCHRONOUS, _DONT_EXIT, _PHONEMES, _UTF8, _RATE = 2, 0x8000, 1, 1, 1
"""AUDIO_OUTPUT_SYNCHRONOUS, espeakINITIALIZE_DONT_EXIT, _PHONEME_EVENTS (the library has one state
in a process, and the scenarios' voices need them), espeakCHARS_UTF8, espeakRATE."""


class EspeakVoice:
    """espeak-ng through its library: the system's, or the one of the package espeakng_loader.

    Unlike flite it carries its state from one utterance to the next: the same text comes out a
    few samples different each time.

    Raises:
        BadInput: there is neither, or it does not know the voice.
    """

    _lock = threading.Lock()
    _loaded: tuple[ctypes.CDLL, int] | None = None

    def __init__(self, voice: str = "en-us") -> None:
        self.name = f"espeak:{voice}"
        self._voice = _plain(voice)
        with self._lock:
            if EspeakVoice._loaded is None:
                EspeakVoice._loaded = self._load()
            self._library, self._rate = EspeakVoice._loaded
            if self._library.espeak_SetVoiceByName(self._voice) != 0:
                raise BadInput(f"espeak-ng has no voice {voice!r}; "
                               "`espeak-ng --voices` lists them, en-us is always there")
        self._pieces: list[np.ndarray] = []
        self._callback = _ESPEAK_CALLBACK(self._collect)

    def synthesise(self, text: str, speed: float = 1.0) -> np.ndarray:
        """See `Engine.synthesise`."""
        encoded = _plain(text)
        words_per_minute = min(max(round(ESPEAK_WPM * speed), ESPEAK_LIMITS[0]), ESPEAK_LIMITS[1])
        with self._lock:
            self._pieces.clear()
            self._library.espeak_SetSynthCallback(self._callback)
            self._library.espeak_SetVoiceByName(self._voice)
            self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
            self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
            sound = np.concatenate([np.zeros(0, np.int16), *self._pieces])
        return resample(sound, self._rate)

    def _collect(self, data, samples: int, _events) -> int:
        """espeak-ng hands over samples that are its own only during the call."""
        if data and samples > 0:
            self._pieces.append(np.ctypeslib.as_array(data, (samples,)).copy())
        return 0

    @staticmethod
    def _load() -> tuple[ctypes.CDLL, int]:
        """The initialised library and its sample rate."""
        names, data = ("libespeak-ng.so.1", "libespeak-ng.so"), None
        try:
            library = _library(names, "libespeak-ng1 espeak-ng-data")
        except BadInput:
            library, data = _espeak_of_package()
        library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
        rate = library.espeak_Initialize(_SYNCHRONOUS, 200, data, _DONT_EXIT | _PHONEMES)
        if rate <= 0:
            raise BadInput("espeak-ng does not start (its voice data is missing); "
                           "install it with: sudo apt install espeak-ng-data")
        return library, rate


def _espeak_of_package() -> tuple[ctypes.CDLL, bytes]:
    """Library and data folder of the Python package espeakng_loader, which needs no root."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise BadInput("espeak-ng is not installed; install it with: sudo apt install "
                       "libespeak-ng1 espeak-ng-data, or: pip install espeakng_loader") from error
    library = _library((str(espeakng_loader.get_library_path()),), "libespeak-ng1")
    return library, str(espeakng_loader.get_data_path()).encode()


# -- Piper ------------------------------------------------------------------------------------


class PiperVoice:
    """A Piper voice: `model` is its .onnx file, with the .onnx.json beside it.

    Raises:
        BadInput: a file or the package piper-tts is missing, or the voice does not load.
    """

    def __init__(self, model: str | Path) -> None:
        model = Path(model)
        self.name = f"piper:{model.stem}"
        for needed in (model, Path(f"{model}.json")):
            if not needed.is_file():
                raise BadInput(f"{needed}: no such file; a Piper voice is a .onnx file with its "
                               ".onnx.json beside it")
        try:
            from piper import PiperVoice as Piper
            from piper.config import SynthesisConfig
        except ImportError as error:
            raise BadInput(f"{model}: the voice needs the package piper-tts ({error}); "
                           "install it with: pip install piper-tts") from error
        try:
            self._piper = Piper.load(str(model))
        except Exception as error:  # whatever is wrong with somebody's file is told as one thing
            raise BadInput(f"{model}: this Piper voice does not load ({error})") from error
        self._config = SynthesisConfig
        self._lock = threading.Lock()

    def synthesise(self, text: str, speed: float = 1.0) -> np.ndarray:
        """See `Engine.synthesise`."""
        return np.concatenate([np.zeros(0, np.int16), *self.pieces(text, speed)])

    def pieces(self, text: str, speed: float = 1.0) -> Iterator[np.ndarray]:
        """The same, sentence by sentence as Piper makes them."""
        with self._lock:
            for chunk in self._piper.synthesize(text, self._config(length_scale=1 / speed)):
                yield resample(to_int16(chunk.audio_float_array), chunk.sample_rate)
