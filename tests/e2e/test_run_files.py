"""Files in, files out: the whole program around a network whose replies are written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daemon.config import AddressingConfig, Config, SpeakerConfig
from daemon.record import replay
from daemon.run import Runner, run_files
from daemon.senses.audio_files import read_audio
from daemon.turn import Floor, Task
from daemon.voice import open_voice
from tests.e2e.scripted import (
    RATE,
    SQUATS,
    Script,
    command,
    noise,
    of,
    read_lines,
    write_sound,
    write_video,
)

pytestmark = pytest.mark.e2e
SET = {3: SQUATS, 12: {"counted": 1}, 20: {"counted": 1}}


@pytest.fixture
def sound(tmp_path) -> Path:
    return write_sound(tmp_path / "in.wav", noise(6.0))


def play(tmp_path: Path, plan: dict, name: str = "a", **options):
    """Run; the result, the events, the sound that was played and what the network saw."""
    script = Script(plan)
    events, out = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.wav"
    result = run_files(speaker=out, events=events, runner=Runner(model=script), **options)
    return result, read_lines(events), read_audio(out), script


def first_sound_s(pcm: np.ndarray, after_s: float) -> float:
    """When it is first louder than -50 dBFS, seconds."""
    start = round(after_s * RATE)
    return (start + int(np.argmax(np.abs(pcm[start:]) > 100))) / RATE


def test_counts_are_heard_when_the_events_say_so(tmp_path, sound):
    result, events, out, script = play(tmp_path, SET, microphone=sound)
    spoken = of(events, "spoken")
    assert [e["text"] for e in spoken] == ["counting squats", "one", "two"]
    for event in spoken:
        assert first_sound_s(out, event["start_s"] - 0.1) == pytest.approx(event["start_s"],
                                                                          abs=0.03)
    assert spoken[1]["start_s"] == pytest.approx(13 * 0.2 + 0.1)
    assert not out[: round(spoken[0]["start_s"] * RATE)].any()
    assert [e["count"] for e in of(events, "count")] == [1, 2]
    assert result.reason == "the input has ended" and result.counts["count"] == 2
    assert script.turns[15].state.task is Task.REPS


def test_sample_0_of_the_output_is_sample_0_of_the_input(tmp_path, sound):
    _, events, out, script = play(tmp_path, SET, microphone=sound)
    heard = np.concatenate([turn.audio for turn in script.turns])
    np.testing.assert_array_equal(heard[: 6 * RATE], read_audio(sound))
    assert len(out) == len(heard) == len(script.turns) * 3200
    assert of(events, "end")[0]["t_s"] == pytest.approx(len(out) / RATE)


def test_two_runs_give_the_same_bytes(tmp_path, sound):
    for name in "ab":
        play(tmp_path, SET, name, microphone=sound)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    events = [[e for e in read_lines(tmp_path / f"{n}.jsonl")
               if e["kind"] not in ("start", "stats")] for n in "ab"]
    assert events[0] == events[1]


def test_a_runner_serves_many_files_from_a_fresh_start(tmp_path, sound):
    runner = Runner(model=Script(SET))
    counts = []
    for number in range(3):
        events = tmp_path / f"{number}.jsonl"
        runner.run_files(sound, events=events)
        counts.append([e["count"] for e in of(read_lines(events), "count")])
    assert counts == [[1, 2]] * 3


SOUNDS = [("in.wav", "pcm_u8", 8000, 2), ("in.wav", "pcm_f32le", 44100, 1),
          ("in.flac", "flac", 48000, 2), ("in.mp3", "libmp3lame", 22050, 1),
          ("in.opus", "libopus", 48000, 2)]


@pytest.mark.parametrize(("name", "codec", "rate", "channels"), SOUNDS)
def test_any_sound_file_is_heard(tmp_path, name, codec, rate, channels):
    tone = (np.sin(np.arange(rate * 2) * 2 * np.pi * 440 / rate) * 8000).astype(np.int16)
    path = write_sound(tmp_path / name, tone, rate, codec, channels)
    _, _, _, script = play(tmp_path, {}, microphone=path)
    heard = np.concatenate([turn.audio for turn in script.turns])[RATE // 2 : 3 * RATE // 2]
    spectrum = np.abs(np.fft.rfft(heard.astype(float)))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)


VIDEOS = [("v.mp4", "libx264", (320, 240), 30), ("v.webm", "libvpx", (160, 120), 25),
          ("v.mkv", "mpeg4", (200, 300), 10), ("v.gif", "gif", (64, 48), 20)]


@pytest.mark.parametrize(("name", "codec", "size", "fps"), VIDEOS)
def test_any_video_file_is_seen_at_ten_frames_a_second(tmp_path, name, codec, size, fps):
    path = write_video(tmp_path / name, 2 * fps, fps, size, codec)
    _, _, _, script = play(tmp_path, {}, camera=path)
    frames = [frame for turn in script.turns for frame in turn.frames]
    assert len(frames) in (19, 20, 21)
    for turn in script.turns[:9]:
        assert {int(f.t_s * 5 + 1e-6) for f in turn.frames} == {turn.index}
    assert all(f.rgb.shape == (120, 160, 3) for f in frames)


def test_sound_and_picture_end_with_the_longer_one(tmp_path):
    sound = write_sound(tmp_path / "in.wav", noise(1.0))
    video = write_video(tmp_path / "v.mp4", 30)
    result, *_ = play(tmp_path, {}, microphone=sound, camera=video)
    assert result.turns * 0.2 == pytest.approx(3.0 + 1.2, abs=0.21)


def test_a_drawn_picture_does_not_keep_a_sound_file_from_ending(tmp_path):
    sound = write_sound(tmp_path / "in.wav", noise(1.0))
    result, *_ = play(tmp_path, {}, microphone=sound, camera="synthetic")
    assert result.turns * 0.2 == pytest.approx(1.0 + 1.2, abs=0.21)


def test_its_own_voice_is_taken_out_of_the_microphone(tmp_path, sound):
    plan = {3: command("help", "help")}
    room = write_sound(tmp_path / "room.wav", np.array([0] * 80 + [16000] + [0] * 200, np.int16))
    quiet = write_sound(tmp_path / "quiet.wav", noise(9.0, 3.0))
    _, _, out, script = play(tmp_path, plan, microphone=quiet, echo=room)
    heard = np.concatenate([turn.audio for turn in script.turns]).astype(float)
    late = slice(4 * RATE, 6 * RATE)
    echo_db = 20 * np.log10(np.std(out[late].astype(float)) / 2 + 1)
    assert 20 * np.log10(np.std(heard[late]) + 1) < echo_db - 20


def test_an_interruption_is_ducked_then_silent_in_the_output(tmp_path, sound):
    plan = {3: command("help", "help"), 12: {"floor": Floor.DUCK}, 13: {"floor": Floor.YIELD},
            15: command("stop", "stop")}
    _, events, out, _ = play(tmp_path, plan, microphone=sound)

    def level(turn: int) -> float:
        return float(np.std(out[turn * 3200 + 2000 : (turn + 1) * 3200 + 1600].astype(float)))

    assert level(13) < level(12) * 0.5 and level(14) < 1.0
    assert [e["kind"] for e in events if e["kind"] in ("duck", "yield")] == ["duck", "yield"]
    assert of(events, "spoken")[0]["cut"]


def test_ducked_level_and_follow_up_window_are_those_of_the_configuration(tmp_path, sound):
    plan = {3: command("help", "help"), **{k: {"floor": Floor.DUCK} for k in range(10, 16)}}
    stop = {16: {"floor": Floor.YIELD}}
    levels, since_s = [], []
    for config in (Config(), Config(speaker=SpeakerConfig(duck_db=0.0),
                                    addressing=AddressingConfig(window_s=16.0))):
        script = Script(plan | stop)
        out = tmp_path / "out.wav"
        Runner(config, model=script).run_files(sound, speaker=out)
        levels.append(float(np.std(read_audio(out)[12 * 3200 : 15 * 3200].astype(float))))
        since_s.append(script.turns[27].state.since_exchange_s)
    assert levels[0] < 0.3 * levels[1]
    assert since_s[0] == pytest.approx(2 * since_s[1])


def test_a_recording_replays_without_a_difference(tmp_path, sound):
    video = write_video(tmp_path / "v.mp4", 40)
    record = tmp_path / "run.mcap"
    plan = {3: SQUATS, 12: {"counted": 1, "active": 0.5}}
    _, _, _, script = play(tmp_path, plan, microphone=sound, camera=video, record=record)
    shown, again = list(script.turns), Script(plan)
    assert replay(record, again) is None
    assert len(again.turns) == len(shown)
    for old, new in zip(shown, again.turns):
        assert old.state == new.state
        np.testing.assert_array_equal(old.audio, new.audio)


def test_a_question_is_answered_by_a_real_worker_behind_a_real_broker(tmp_path):
    """Broker and worker are children of the run; the clip that goes with the question is
    transcribed by the worker, the answer is in our own manual."""
    question = open_voice("flite").speak("what torque for an m eight bolt in aluminium")
    sound = write_sound(tmp_path / "in.wav", np.concatenate([noise(0.5, 20), question,
                                                              noise(4.0, 20)]))
    end = int(np.ceil((0.5 + len(question) / RATE + 0.6) / 0.2))
    plan = {end: command("ask", *"what torque for an m eight bolt in aluminium".split()),
            end + 6: {"floor": Floor.SPEAK}}
    _, events, _, script = play(tmp_path, plan, microphone=sound, broker="embedded", tail_s=20.0)
    asked, final = of(events, "delegate")[0], of(events, "answer")[-1]
    assert final["status"] == "final" and final["id"] == asked["id"]
    assert final["latency_s"] == pytest.approx(1.0)
    assert any("torque" in e["text"].lower() or "newton" in e["text"].lower()
               for e in of(events, "spoken") if e["text"]), of(events, "spoken")
    assert script.turns[end + 1].state.delegations == 1
