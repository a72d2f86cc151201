"""Speech synthesisers of Debian main as test and training voices, with word and phone timings.

espeak-ng and flite are called in process through ctypes; festival renders in batches. Needs the
packages espeak-ng (libespeak-ng1), libflite1 and, for two more voices, festival with
festvox-kdlpc16k and festvox-us-slt-hts. Two neural voices join them where their Python packages are
installed (`models.scenarios.voices_neural`).

Source of the interfaces: espeak-ng `speak_lib.h`, flite `flite.h`, festival manual ch. 14.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from models.scenarios import voices_neural
from models.scenarios.phones import phone_class
from models.splits import held_out, held_out_quarter

RATE = 16_000

ESPEAK_ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan",
                  "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
ESPEAK_VARIANTS = tuple(
    "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario "
    "Michael Mike Nguyen RicishayMax RicishayMax2 RicishayMax3 Storm adam anika announcer antonio "
    "aunty belinda benjamin boris caleb david ed edward edward2 f1 f2 f3 f4 f5 fast grandma "
    "grandpa gustave iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5 "
    "klatt6 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro "
    "quincy rob robert sandro shelby steph steph2 steph3 travis victor zac".split())
FLITE_VOICES = ("awb", "kal", "kal16", "rms", "slt")
FESTIVAL_VOICES = {"ked": "voice_ked_diphone", "slt-hts": "voice_cmu_us_slt_arctic_hts"}
SLOW = ("festival", "kokoro")
"""Synthesisers that are too slow for what is said in passing."""
HELD_OUT_SPEAKERS = frozenset({"flite:rms"})
"""Recorded speakers never trained on, besides a quarter of the espeak-ng variants and of Kokoro's
speakers by hash."""
TRAINED_SPEAKERS = frozenset({"kokoro:af_heart"})
"""Whatever the hash says: it is hibari's one voice, too."""


@dataclass(frozen=True)
class Spoken:
    """One synthesised utterance."""

    pcm: np.ndarray
    """int16 (n,), 16 kHz mono."""
    words: tuple[str, ...]
    ends_s: np.ndarray
    """(words,) end of each word, seconds."""
    phones: tuple[tuple[int, float, float], ...]
    """(class, start_s, end_s) of each phone; classes of `models.scenarios.phones`."""
    voice: str
    """`engine:speaker`."""


def speakers(trained: bool, development: bool = False) -> list[str]:
    """`engine:speaker` names of training, of tuning (`development`) or of the reported figures.
    Kokoro's English speakers that training never hears are for tuning, where they are installed:
    what is reported is the same without them."""
    names = [f"espeak:{v}" for v in ESPEAK_VARIANTS] + [f"flite:{v}" for v in FLITE_VOICES]
    names += [f"festival:{v}" for v in FESTIVAL_VOICES] + voices_neural.installed()
    if trained:
        return [n for n in names if not is_held_out(n)]
    unseen = [n for n in names if is_held_out(n)]
    tuning = held_out_quarter("tuning_voices", [n for n in unseen if n.startswith("espeak")])
    people = [n for n in unseen if n.startswith("kokoro")]
    if development:
        return sorted(tuning) + [n for n in people if n.split(":")[1][0] in "ab"]
    return [n for n in unseen if n not in tuning and n not in people]


def is_held_out(name: str) -> bool:
    """True for a voice that training never hears."""
    engine, speaker = name.split(":")
    if engine == "espeak":
        return held_out("espeak_variant", speaker)
    if engine == "kokoro":
        return held_out("kokoro_speaker", speaker) and name not in TRAINED_SPEAKERS
    return name in HELD_OUT_SPEAKERS


class _Event(ctypes.Structure):
    class _Id(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p),
                    ("string", ctypes.c_char * 8)]

    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint),
                ("text_position", ctypes.c_int), ("length", ctypes.c_int),
                ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("id", _Id)]


_WORD, _SENTENCE_END, _PHONEME = 1, 5, 7
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int,
                             ctypes.POINTER(_Event))


def _espeak_library() -> tuple[ctypes.CDLL, bytes | None]:
    """Debian's library, or without it the one that the package espeakng-loader carries."""
    try:
        return ctypes.CDLL("libespeak-ng.so.1"), None
    except OSError:
        import espeakng_loader

        data = espeakng_loader.get_data_path().encode()
        return ctypes.CDLL(espeakng_loader.get_library_path()), data


class Espeak:
    """libespeak-ng in synchronous mode; one instance a process (the library is global)."""

    def __init__(self) -> None:
        self._lib, data = _espeak_library()
        # AUDIO_OUTPUT_SYNCHRONOUS = 2; option 1 asks for phoneme events
        self._rate = self._lib.espeak_Initialize(2, 0, data, 1)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng did not start; install the package espeak-ng-data")
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, bytes]] = []
        self._callback = _CALLBACK(self._collect)
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, wav, count, events) -> int:
        if wav and count > 0:
            self._chunks.append(np.ctypeslib.as_array(wav, (count,)).copy())
        i = 0
        while events[i].type != 0:
            event = events[i]
            if event.type in (_WORD, _PHONEME):
                name = event.id.string if event.type == _PHONEME else b""
                self._events.append((event.type, event.audio_position, event.text_position, name))
            i += 1
        return 0

    def speak(self, words, variant: str, accent: str = "en-us", rate: int = 165, pitch: int = 50,
              pitch_range: int = 50, gap: int = 0) -> Spoken:
        """Synthesise words. rate in words a minute, pitch and range 0 to 100, gap in 10 ms."""
        text = " ".join(words)
        self._chunks, self._events = [], []
        self._lib.espeak_SetVoiceByName(f"{accent}+{variant}".encode())
        for parameter, value in ((1, rate), (3, pitch), (4, pitch_range), (7, gap)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        # position type 1 = characters, flag 1 = UTF-8
        self._lib.espeak_SetSynthCallback(self._callback)  # the daemon's voice may have set its own
        self._lib.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, 1, None, None)
        pcm = np.concatenate(self._chunks) if self._chunks else np.zeros(1600, np.int16)
        return self._assemble(pcm, words, text, f"espeak:{variant}")

    def _assemble(self, pcm, words, text, voice) -> Spoken:
        end_s = _voiced_end(pcm, self._rate)
        marks = [(t / 1000, n) for kind, t, _, n in self._events if kind == _PHONEME]
        phones = []
        for (start, name), (stop, _) in zip(marks, marks[1:] + [(end_s, b"")]):
            if stop > start:
                phones.append((phone_class(name.decode("utf-8", "ignore")), start, stop))
        starts = _word_starts(self._events, words, text, end_s)
        ends = np.append(starts[1:], end_s)
        return Spoken(_to_16k(pcm, self._rate), tuple(words), ends, tuple(phones), voice)


def _voiced_end(pcm: np.ndarray, rate: int) -> float:
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 150)
    return float(loud[-1] + 1) / rate if len(loud) else len(pcm) / rate


def _word_starts(events, words, text, end_s) -> np.ndarray:
    """Start of each word; words that espeak merged are interpolated by their characters."""
    offsets = np.cumsum([0] + [len(w) + 1 for w in words])[:-1]
    known = {}
    for kind, t_ms, position, _ in events:
        if kind == _WORD:
            index = int(np.searchsorted(offsets, position - 1, side="right")) - 1
            known.setdefault(max(index, 0), t_ms / 1000)
    known.setdefault(0, 0.0)
    at = sorted(known)
    xs = [float(offsets[i]) for i in at] + [float(len(text))]
    ys = [known[i] for i in at] + [end_s]
    return np.interp(offsets.astype(float), xs, np.maximum.accumulate(ys))


def _to_16k(pcm: np.ndarray, rate: int) -> np.ndarray:
    if rate == RATE:
        return pcm
    return soxr.resample(pcm.astype(np.float32), rate, RATE).clip(-32768, 32767).astype(np.int16)


class _Wave(ctypes.Structure):
    _fields_ = [("type", ctypes.c_char_p), ("sample_rate", ctypes.c_int),
                ("num_samples", ctypes.c_int), ("num_channels", ctypes.c_int),
                ("samples", ctypes.POINTER(ctypes.c_short))]


class _Voice(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


class Flite:
    """libflite voices with segment and word timings."""

    def __init__(self) -> None:
        self._lib = lib = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for part in ("libflite_usenglish.so.1", "libflite_cmulex.so.1"):
            ctypes.CDLL(part, mode=ctypes.RTLD_GLOBAL)
        pointer = ctypes.c_void_p
        for name, result, arguments in (
            ("flite_synth_text", pointer, [ctypes.c_char_p, pointer]),
            ("utt_wave", ctypes.POINTER(_Wave), [pointer]),
            ("utt_relation", pointer, [pointer, ctypes.c_char_p]),
            ("relation_head", pointer, [pointer]), ("item_next", pointer, [pointer]),
            ("item_feat_float", ctypes.c_float, [pointer, ctypes.c_char_p]),
            ("item_feat_string", ctypes.c_char_p, [pointer, ctypes.c_char_p]),
            ("ffeature_float", ctypes.c_float, [pointer, ctypes.c_char_p]),
            ("delete_utterance", None, [pointer]),
            ("feat_set_float", None, [pointer, ctypes.c_char_p, ctypes.c_float]),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        lib.flite_init()
        self._voices: dict[str, int] = {}

    def _voice(self, name: str) -> int:
        if name not in self._voices:
            library = ctypes.CDLL(f"libflite_cmu_us_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
            register = getattr(library, f"register_cmu_us_{name}")
            register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
            self._voices[name] = register(None)
        return self._voices[name]

    def speak(self, words, voice: str, stretch: float = 1.0, f0_shift: float = 1.0) -> Spoken:
        """Synthesise words; stretch > 1 is slower, f0_shift multiplies the pitch."""
        handle = self._voice(voice)
        features = ctypes.cast(handle, ctypes.POINTER(_Voice)).contents.features
        self._lib.feat_set_float(features, b"duration_stretch", stretch)
        self._lib.feat_set_float(features, b"f0_shift", f0_shift)
        utterance = self._lib.flite_synth_text(" ".join(words).encode(), handle)
        try:
            wav = self._lib.utt_wave(utterance).contents
            pcm = np.ctypeslib.as_array(wav.samples, (wav.num_samples,)).copy()
            rate = wav.sample_rate
            segments = [(self._text(i, b"name"), self._lib.item_feat_float(i, b"end"))
                        for i in self._items(utterance, b"Segment")]
            path = b"R:SylStructure.daughtern.daughtern.R:Segment.end"
            ends = [self._lib.ffeature_float(i, path) for i in self._items(utterance, b"Word")]
        finally:
            self._lib.delete_utterance(utterance)
        return _from_segments(_to_16k(pcm, rate), words, ends, segments, f"flite:{voice}")

    def _items(self, utterance, relation):
        item = self._lib.relation_head(self._lib.utt_relation(utterance, relation))
        while item:
            yield item
            item = self._lib.item_next(item)

    def _text(self, item, feature) -> str:
        return (self._lib.item_feat_string(item, feature) or b"").decode()


def _from_segments(pcm, words, ends, segments, voice) -> Spoken:
    """Raises ValueError when the synthesiser split the text into another number of words."""
    if len(ends) != len(words):
        raise ValueError(f"{voice} spoke {len(ends)} words for {len(words)}")
    phones, start = [], 0.0
    for name, end in segments:
        if end > start:
            phones.append((phone_class(name), start, float(end)))
        start = float(end)
    return Spoken(pcm, tuple(words), np.asarray(ends, float), tuple(phones), voice)


_SCHEME = """(voice_%s)
(Parameter.set 'Duration_Stretch %.2f)
(define (dump n text)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt (string-append "%s/" n ".wav") 'riff)
    (let ((fd (fopen (string-append "%s/" n ".txt") "w")))
      (mapcar (lambda (s) (format fd "S %%s %%f\\n" (item.name s) (item.feat s 'end)))
              (utt.relation.items utt 'Segment))
      (mapcar (lambda (w) (format fd "W %%s %%f\\n" (item.name w) (item.feat w 'word_end)))
              (utt.relation.items utt 'Word))
      (fclose fd))))
"""


def festival_batch(texts, speaker: str, stretch: float = 1.0) -> list[Spoken | None]:
    """Render many word lists with one festival process; None where its words differ."""
    with tempfile.TemporaryDirectory() as folder:
        script = _SCHEME % (FESTIVAL_VOICES[speaker].removeprefix("voice_"), stretch, folder,
                            folder)
        script += "\n".join(f'(dump "{i}" "{" ".join(w)}")' for i, w in enumerate(texts))
        path = Path(folder) / "batch.scm"
        path.write_text(script)
        subprocess.run(["festival", "--batch", str(path)], check=True, capture_output=True)
        return [_read_festival(Path(folder), i, w, speaker) for i, w in enumerate(texts)]


def _read_festival(folder: Path, index: int, words, speaker: str) -> Spoken | None:
    with wave.open(str(folder / f"{index}.wav")) as f:
        rate = f.getframerate()
        pcm = np.frombuffer(f.readframes(f.getnframes()), np.int16)
    rows = [line.split() for line in (folder / f"{index}.txt").read_text().splitlines()]
    segments = [(r[1], float(r[2])) for r in rows if r[0] == "S"]
    ends = [float(r[2]) for r in rows if r[0] == "W"]
    if len(ends) != len(words):
        return None
    return _from_segments(_to_16k(pcm, rate), words, ends, segments, f"festival:{speaker}")


def _neural(rng, words, voice: str, speed: float) -> Spoken:
    """Raises ValueError when a word has no sound of its own."""
    pcm, rate, timed = voices_neural.voice(voice).speak(rng, words, speed)
    if not all(timed):
        raise ValueError(f"{voice} has no sound for one of {words}")
    pcm = (pcm * (12_000 / (np.abs(pcm).max() + 1e-6))).astype(np.int16)
    # the last symbol lasts into the silence after it
    ends = np.minimum([phones[-1][2] for phones in timed], _voiced_end(pcm, rate))
    return Spoken(_to_16k(pcm, rate), tuple(words), ends,
                  tuple(p for word in timed for p in word), voice)


@lru_cache(maxsize=1)
def espeak() -> Espeak:
    """The process's one espeak-ng."""
    return Espeak()


@lru_cache(maxsize=1)
def flite() -> Flite:
    """The process's one flite."""
    return Flite()


def speak(rng, words, trained: bool, voice: str | None = None) -> Spoken:
    """Speak words with a random voice of the wanted split (or the one named), varied at random.

    A voice of festival (a process for each utterance) or Kokoro (2 s for each) only when it is
    named. Raises ValueError where the synthesiser counts other words.
    """
    if voice is None:
        recorded = rng.random() < (0.45 if trained else 0.3)
        names = [n for n in speakers(trained)
                 if not n.startswith(SLOW) and n.startswith("espeak") != recorded]
        voice = names[rng.integers(len(names))]
    engine, speaker = voice.split(":")
    if engine == "flite":
        low, high = (0.72, 1.38) if trained else (0.85, 1.2)
        return flite().speak(words, speaker, float(rng.uniform(0.8, 1.25)),
                             float(rng.uniform(low, high)))
    if voices_neural.is_neural(voice):
        return _neural(rng, words, voice, float(np.exp(rng.uniform(np.log(0.75), np.log(1.35)))))
    if engine == "festival":
        spoken = festival_batch([list(words)], speaker, float(rng.uniform(0.85, 1.2)))[0]
        if spoken is None:
            raise ValueError(f"{voice} spoke another number of words")
        return spoken
    return espeak().speak(
        words, speaker, ESPEAK_ACCENTS[rng.choice(8, p=[.4, .14, .1, .08, .07, .07, .06, .08])],
        int(rng.integers(120, 215)), int(rng.integers(25, 80)), int(rng.integers(20, 90)),
        int(rng.integers(0, 3)))
