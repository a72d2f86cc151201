"""Sound files in every format, rate and channel count; what is not one is refused by name."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from daemon.senses.audio_files import WavWriter, read_audio, stream_audio
from daemon.senses.errors import BadInput

pytestmark = pytest.mark.unit

CODECS = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "opus": "libopus",
          "ogg": "libopus", "mkv": "pcm_s24le", "webm": "libopus"}


def encode(path: Path, rate: int, channels: int, seconds: float = 1.0) -> np.ndarray:
    """Write a 440 Hz tone of amplitude 0.25 in every channel; the ideal 16 kHz result."""
    def wave_at(hz: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(round(seconds * hz)) / hz) * 8192

    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=rate)
        stream.layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        packed = np.repeat(np.rint(wave_at(rate)).astype(np.int16), channels)[None, :]
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=stream.layout.name)
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return wave_at(16_000)


@pytest.mark.parametrize(("name", "rate", "channels"), [
    ("a.wav", 16_000, 1), ("a.wav", 44_100, 2), ("a.wav", 8_000, 1), ("a.wav", 96_000, 6),
    ("a.flac", 48_000, 2), ("a.mp3", 44_100, 2), ("a.mp3", 22_050, 1), ("a.opus", 48_000, 1),
    ("a.ogg", 48_000, 2), ("a.mkv", 32_000, 2), ("a.webm", 48_000, 1)])
def test_formats_rates_and_channels(tmp_path: Path, name: str, rate: int, channels: int) -> None:
    ideal = encode(tmp_path / name, rate, channels)
    sound = read_audio(tmp_path / name)
    assert sound.dtype == np.int16 and sound.ndim == 1
    assert abs(len(sound) - len(ideal)) <= 16_000 * 0.06  # codec padding
    middle = sound[4000:12_000].astype(float)
    assert middle.std() == pytest.approx(8192 / np.sqrt(2), rel=0.1)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) == pytest.approx(440 / 2, abs=1)


def test_16_khz_mono_comes_back_bit_for_bit(tmp_path: Path) -> None:
    original = np.random.default_rng(1).integers(-32768, 32768, 30_000).astype(np.int16)
    writer = WavWriter(tmp_path / "deeper" / "a.wav")
    for start in range(0, len(original), 3200):
        writer.append(original[start : start + 3200])
    writer.close()
    assert np.array_equal(read_audio(tmp_path / "deeper" / "a.wav"), original)


def test_the_same_time_is_kept_at_another_rate(tmp_path: Path) -> None:
    """Resampling delays nothing: a click stays where it is, within a sample."""
    click = np.zeros(48_000, np.int16)
    click[24_000] = 30_000
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(click.tobytes())
    sound = read_audio(tmp_path / "a.wav")
    assert len(sound) == 16_000 and abs(int(np.argmax(np.abs(sound))) - 8000) <= 1


def test_a_long_file_streams_in_small_pieces(tmp_path: Path) -> None:
    encode(tmp_path / "a.flac", 48_000, 1, seconds=20)
    pieces = list(stream_audio(tmp_path / "a.flac"))
    assert len(pieces) > 50 and max(map(len, pieces)) < 16_000
    assert np.array_equal(np.concatenate(pieces), read_audio(tmp_path / "a.flac"))


def _silent_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8), format="rgb24")
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def test_unusable_files_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "text.wav").write_text("this is not sound\n" * 100)
    WavWriter(tmp_path / "nothing.wav").close()
    _silent_video(tmp_path / "video.mp4")
    expected = {"missing.wav": "no such file", "empty.wav": "the file is empty",
                "noise.mp3": "noise.mp3", "text.wav": "cannot be decoded",
                "nothing.wav": "nothing.wav", "video.mp4": "has no sound track"}
    for name, words in expected.items():
        with pytest.raises(BadInput, match=words) as refusal:
            read_audio(tmp_path / name)
        assert name in str(refusal.value)
    with pytest.raises(BadInput, match="no such file"):
        read_audio(tmp_path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "opus"])
def test_sound_that_was_cut_off_or_damaged_is_told_after_what_there_is(tmp_path, suffix) -> None:
    path = tmp_path / f"in.{suffix}"
    encode(path, 48_000 if suffix == "opus" else 16_000, 1, seconds=4.0)
    whole = path.read_bytes()
    if suffix == "opus":     # its end still tells the length: garbage in the middle
        half = len(whole) // 2
        path.write_bytes(whole[: half // 2] + bytes(half) + whole[half // 2 + half :])
    else:
        path.write_bytes(whole[: len(whole) // 2])
    heard = 0
    with pytest.raises(BadInput, match=path.name) as refusal:
        for piece in stream_audio(path):
            heard += len(piece)
    assert 0.2 < heard / 16_000 < 3.6
    assert "cut off" in str(refusal.value) or "cannot be decoded" in str(refusal.value)


def test_a_wav_is_whole_after_every_append_even_if_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    if (child := os.fork()) == 0:
        writer = WavWriter(path)
        writer.append(np.arange(3200, dtype=np.int16))
        writer.append(np.arange(100, dtype=np.int16))
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with wave.open(str(path)) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (3300, 16_000, 1)
    assert read_audio(path)[3200:].tolist() == list(range(100))


def test_the_writer_refuses_wrong_samples_and_places(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    with pytest.raises(TypeError, match="int16"):
        writer.append(np.zeros(10, np.float32))
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot write"):
        WavWriter(tmp_path / "file" / "a.wav")
    writer.close()
    writer.close()
