"""Video files as cameras: files of every kind made here, whole, damaged and absent."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from daemon.clock import SampleClock, SystemClock
from daemon.senses.camera import open_camera
from daemon.senses.camera_file import FileCamera
from daemon.senses.errors import BadInput
from daemon.turn import TURN_S

pytestmark = pytest.mark.unit


def write_video(
    path: Path,
    stamps_s: list[float],
    codec: str = "libx264",
    size: tuple[int, int] = (160, 120),
    turn: int = 0,
) -> Path:
    """A video whose k-th frame has gray level 10 * k (mod 250) and the time stamp stamps_s[k]."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = {"gif": "rgb8"}.get(codec, "yuv420p")
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1_000)
        stream.codec_context.thread_count = 1
        if turn:
            stream.set_display_rotation(turn)
        for k, t_s in enumerate(stamps_s):
            level = np.full((size[1], size[0], 3), 10 * k % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(level, format="rgb24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = round(t_s * 1_000), Fraction(1, 1_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def even(fps: float, count: int) -> list[float]:
    return [k / fps for k in range(count)]


def run(camera, turns: int) -> list[tuple[float, ...]]:
    """Capture times of the frames of each micro-turn, milliseconds."""
    taken = [camera.frames((turn + 1) * TURN_S) for turn in range(turns)]
    return [tuple(round(frame.t_s * 1_000) for frame in frames) for frames in taken]


@pytest.mark.parametrize(
    ("name", "codec", "size"),
    [
        ("a.mp4", "libx264", (160, 120)),
        ("a.mkv", "mpeg4", (322, 182)),
        ("a.webm", "libvpx", (64, 128)),
        ("a.gif", "gif", (120, 90)),
    ],
)
def test_files_of_every_kind_give_two_frames_a_turn(tmp_path, name, codec, size):
    camera = FileCamera(write_video(tmp_path / name, even(10, 20), codec, size))
    taken = [camera.frames((turn + 1) * TURN_S) for turn in range(10)]
    for turn, frames in enumerate(taken):
        assert [frame.t_s for frame in frames] == pytest.approx([turn * 0.2, turn * 0.2 + 0.1])
        for k, frame in enumerate(frames):
            assert frame.rgb.shape == (120, 160, 3) and frame.rgb.dtype == np.uint8
            level = frame.rgb[50:70, 70:90].mean()  # the mean: a GIF's palette is dithered
            assert level == pytest.approx(10 * (2 * turn + k), abs=16 if codec == "gif" else 4)
    assert camera.ended and not camera.lost
    assert (camera.dropped, camera.damaged) == (0, 0)
    assert camera.frames(99.0) == []


def test_fast_files_are_thinned_evenly(tmp_path):
    camera = FileCamera(write_video(tmp_path / "a.mp4", even(30, 60), "mpeg4", (48, 36)))
    assert run(camera, 10) == [(200 * k, 200 * k + 100) for k in range(10)]
    assert camera.thinned == 40 and camera.dropped == 0


def test_variable_rate_goes_by_the_time_stamps(tmp_path):
    stamps = [0.0, 0.5, 0.53, 1.25, 1.9]
    camera = FileCamera(write_video(tmp_path / "a.mkv", stamps))
    assert run(camera, 10) == [(0,), (), (500, 530), (), (), (), (1250,), (), (), (1900,)]


def test_first_frame_is_session_0_whatever_its_time_stamp(tmp_path):
    camera = FileCamera(write_video(tmp_path / "a.mkv", [7.0 + t for t in even(10, 4)]))
    assert run(camera, 2) == [(0, 100), (200, 300)]


def test_two_readings_are_the_same(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(25, 30), size=(200, 100))
    first, second = (FileCamera(path).frames(0.2) for _ in range(2))
    assert len(first) == len(second) == 2
    for one, other in zip(first, second):
        assert one.t_s == other.t_s
        np.testing.assert_array_equal(one.rgb, other.rgb)


def test_rotation_in_the_file_and_asked_for_add_up(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(10, 2), size=(128, 64), turn=90)
    upright = FileCamera(path).frames(0.1)[0].rgb
    turned = FileCamera(path, rotate=90).frames(0.1)[0].rgb
    plain = FileCamera(path, rotate=270).frames(0.1)[0].rgb
    assert upright.shape == turned.shape == plain.shape == (120, 160, 3)
    np.testing.assert_allclose(turned.astype(int), plain[::-1, ::-1].astype(int), atol=3)


def test_a_late_loop_gets_the_newest_two_and_the_rest_is_counted(tmp_path):
    camera = FileCamera(write_video(tmp_path / "a.mp4", even(10, 30)))
    assert [frame.t_s for frame in camera.frames(2.0)] == pytest.approx([1.8, 1.9])
    assert camera.dropped == 18


def test_muted_file_is_closed_and_its_time_goes_on(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(10, 130), "mpeg4", (48, 36))
    camera = FileCamera(path)
    assert len(camera.frames(0.2)) == 2
    camera.set_muted(True)
    camera.set_muted(True)
    assert not camera.sensor_open
    hidden = path.rename(tmp_path / "hidden.mp4")  # nothing can be read now
    assert [camera.frames(t) for t in (0.4, 6.0, 12.0)] == [[], [], []]
    assert not camera.ended
    hidden.rename(path)
    camera.set_muted(False)
    assert camera.sensor_open
    assert [frame.t_s for frame in camera.frames(12.2)] == pytest.approx([12.0, 12.1])
    assert camera.dropped == 0


def test_file_that_is_gone_after_mute_is_lost_without_an_exception(tmp_path):
    path = write_video(tmp_path / "a.mp4", even(10, 5))
    camera = FileCamera(path)
    camera.set_muted(True)
    path.unlink()
    camera.set_muted(False)
    assert camera.lost and "a.mp4" in camera.problem
    assert camera.frames(1.0) == [] and camera.ended


def test_damaged_middle_costs_only_what_is_damaged(tmp_path):
    path = write_video(tmp_path / "a.mkv", even(10, 50), "mpeg4", (48, 36))
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 40] = np.random.default_rng(1).bytes(40)
    path.write_bytes(data)
    camera = FileCamera(path)
    times = sum(run(camera, 25), ())
    assert 0 in times and len(times) >= 20 and camera.ended


def test_truncated_file_ends_early(tmp_path):
    path = write_video(tmp_path / "a.mkv", even(10, 50), "mpeg4", (48, 36))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    camera = FileCamera(path)
    assert 5 <= len(sum(run(camera, 25), ())) < 50
    assert camera.ended


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_600), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.mp4", lambda path: None, "none.mp4.*No such file"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "empty.mp4.*expected a video"),
        ("words.mp4", lambda path: path.write_text("not a video at all\n" * 50), "words.mp4"),
        ("folder", lambda path: path.mkdir(), "folder"),
        ("sound.wav", _sound, "there is sound but no video in it"),
    ],
)
def test_what_is_no_video_is_refused_by_name(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(BadInput, match=message):
        FileCamera(tmp_path / name)


def test_real_clips(real_data):
    clips = sorted((real_data / "reps_exercise" / "video").iterdir())[:2]
    for clip in clips:
        camera = FileCamera(clip)
        frames = [frame for turn in range(10) for frame in camera.frames((turn + 1) * TURN_S)]
        assert 10 <= len(frames) <= 20 and camera.damaged == 0
        assert max(frame.rgb.std() for frame in frames) > 10


def test_a_path_names_a_file_camera(tmp_path):
    path = write_video(tmp_path / "a.mkv", even(10, 2), turn=0)
    camera = open_camera(str(path), SampleClock(0), SystemClock(), rotate=180)
    assert isinstance(camera, FileCamera) and len(camera.frames(TURN_S)) == 2
    camera.close()
