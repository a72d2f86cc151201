"""The own voice goes, the wearer stays; the synthetic room is a convolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.pcm import level
from daemon.senses.audio_files import WavWriter, read_audio
from daemon.senses.echo import ROOM_GAIN_DB, EchoCanceller, SyntheticRoom
from daemon.senses.errors import BadInput
from daemon.turn import TURN_SAMPLES
from daemon.voice import open_voice

pytestmark = pytest.mark.unit
DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
SENTENCE = "The torque for an M eight bolt in aluminium is twenty newton metres. Use a dry thread."


def speech(text: str, voice: str, turns: int) -> np.ndarray:
    """A sentence again and again, `turns` micro-turns long."""
    once = open_voice(voice).speak(text)
    pause = np.zeros(4000, np.int16)
    whole = np.concatenate([once, pause] * (turns * TURN_SAMPLES // len(once) + 1))
    return whole[: turns * TURN_SAMPLES]


def power_db(sound: np.ndarray) -> float:
    return 10 * np.log10(np.mean(sound.astype(float) ** 2) + 1e-9)


def run(canceller: EchoCanceller, room: SyntheticRoom, near: np.ndarray,
        played: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the microphone hears in the room, and what is left of it; turn by turn."""
    heard, clean = [], []
    for start in range(0, len(near), TURN_SAMPLES):
        turn = slice(start, start + TURN_SAMPLES)
        heard.append(room.mix(near[turn], played[turn]))
        clean.append(canceller.process(heard[-1], played[turn]))
    return np.concatenate(heard), np.concatenate(clean)


@pytest.fixture(params=["pywebrtc", "livekit"])
def canceller(request) -> EchoCanceller:
    try:
        return EchoCanceller(request.param)
    except BadInput as error:
        pytest.skip(str(error))


def test_the_own_voice_is_gone(canceller: EchoCanceller) -> None:
    played = speech(SENTENCE, "flite", 40)
    noise = np.random.default_rng(0).normal(0, 3, len(played)).astype(np.int16)
    heard, clean = run(canceller, SyntheticRoom(), noise, played)
    after = slice(5 * 16_000, None)
    assert power_db(heard[after]) - power_db(clean[after]) >= 20


def test_the_wearer_is_still_heard_while_it_speaks(canceller: EchoCanceller) -> None:
    played = speech(SENTENCE, "flite", 60)
    near = np.zeros_like(played)
    near[7 * 16_000 :] = speech("Stop, that is enough for now.", "flite:rms", 60)[
        : len(near) - 7 * 16_000]
    _, clean = run(canceller, SyntheticRoom(gain_db=-10), near, played)
    talk = slice(7 * 16_000, None)
    out = clean[talk].astype(float)[128:]
    wearer = near[talk].astype(float)[: len(out)]
    kept_db = power_db(clean[talk]) - power_db(near[talk])
    assert -9 < kept_db < 3
    envelope = [np.sqrt(np.mean(part.reshape(-1, 160) ** 2, axis=1))
                for part in (wearer[: len(out) // 160 * 160], out[: len(out) // 160 * 160])]
    assert np.corrcoef(*envelope)[0, 1] > 0.7  # double talk costs some


def test_with_nothing_played_the_microphone_passes(canceller: EchoCanceller) -> None:
    near = speech(SENTENCE, "flite:rms", 20)
    clean = np.concatenate([
        canceller.process(near[start : start + 3200], np.zeros(3200, np.int16))
        for start in range(0, len(near), 3200)])
    assert abs(power_db(clean) - power_db(near)) < 1


def test_reset_forgets_and_wrong_lengths_are_refused(canceller: EchoCanceller) -> None:
    canceller.reset()
    assert canceller.resets == 1
    with pytest.raises(ValueError, match="multiple of 160"):
        canceller.process(np.zeros(3200, np.int16), np.zeros(3040, np.int16))
    with pytest.raises(ValueError, match="multiple of 160"):
        canceller.process(np.zeros(100, np.int16), np.zeros(100, np.int16))


def test_an_unknown_canceller_is_refused() -> None:
    with pytest.raises(BadInput, match="expected auto, pywebrtc or livekit"):
        EchoCanceller("magic")


@pytest.mark.parametrize("taps", [1, 500, 3200, 12_345])
def test_the_room_equals_the_convolution_of_the_whole(tmp_path: Path, taps: int) -> None:
    rng = np.random.default_rng(taps)
    writer = WavWriter(tmp_path / "room.wav")
    response = (rng.standard_normal(taps) * 3000).astype(np.int16)
    writer.append(response)
    writer.close()
    played = (rng.standard_normal(6 * TURN_SAMPLES) * 2000).astype(np.int16)
    mic = rng.integers(-500, 500, len(played)).astype(np.int16)
    room = SyntheticRoom(tmp_path / "room.wav")
    mixed = np.concatenate([room.mix(mic[start : start + 3200], played[start : start + 3200])
                            for start in range(0, len(mic), 3200)])
    scaled = response / np.sqrt(np.sum(response.astype(float) ** 2)) * 10 ** (ROOM_GAIN_DB / 20)
    size = 1 << 17
    whole = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(scaled, size), size)
    expected = np.clip(mic + whole[: len(mic)], -32768, 32767)
    assert np.max(np.abs(mixed - expected)) <= 0.51


def test_a_silent_or_unreadable_room_is_refused(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "silent.wav")
    writer.append(np.zeros(100, np.int16))
    writer.close()
    with pytest.raises(BadInput, match="silent.wav.*is silent"):
        SyntheticRoom(tmp_path / "silent.wav")
    with pytest.raises(BadInput, match="no such file"):
        SyntheticRoom(tmp_path / "none.wav")


@pytest.mark.parametrize(("room", "least_db"), [
    ("sb_rir4", 25), ("sb_rir3", 20), ("sb_rir1", 15), ("am_ir0", 15),
    ("am_stereo_ir_mono", 10)])  # the last is a hall without direct sound: 90 % within 271 ms
def test_real_rooms(canceller: EchoCanceller, room: str, least_db: float) -> None:
    path = DATA / "rir" / "audio" / f"{room}.flac"
    if not path.exists():
        pytest.skip("the recordings of ../shared/data are not here")
    played = speech(SENTENCE, "flite", 50)
    noise = np.random.default_rng(0).normal(0, 3, len(played)).astype(np.int16)
    heard, clean = run(canceller, SyntheticRoom(path), noise, played)
    after = slice(5 * 16_000, None)
    gone = power_db(heard[after]) - power_db(clean[after])
    print(f"{room}: {gone:.1f} dB of the echo gone")
    assert gone >= least_db


def test_the_wearer_from_real_recordings(canceller: EchoCanceller) -> None:
    files = sorted((DATA / "read_speech" / "audio").glob("spk1_*.flac"))[:3]
    if not files:
        pytest.skip("the recordings of ../shared/data are not here")
    wearer = np.concatenate([level(read_audio(file)) for file in files])
    near = np.concatenate([np.zeros(5 * 16_000, np.int16), wearer])
    near = near[: len(near) // TURN_SAMPLES * TURN_SAMPLES]
    played = speech(SENTENCE, "flite", len(near) // TURN_SAMPLES)
    _, clean = run(canceller, SyntheticRoom(gain_db=-10), near, played)
    kept_db = power_db(clean[5 * 16_000 :]) - power_db(near[5 * 16_000 :])
    print(f"double talk, echo 10 dB below: wearer {kept_db:.1f} dB")
    assert kept_db > -9
