"""The demo's pictures, made of a small session and looked at again."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from daemon.drawing.picture import STRIP_S, picture
from daemon.drawing.story import Errand, Phrase, label, story
from daemon.drawing.timeline import LiveTimeline
from daemon.events import Event
from daemon.senses.audio_files import WavWriter, read_audio
from tools.captions import BAND, HEIGHT, WIDTH, captions
from tools.demo_run import facts, mix
from tools.video import Film, FilmWriter

pytestmark = pytest.mark.unit


def event(t_s: float, kind: str, text: str | None = None, **data) -> Event:
    return Event(t_s, round(t_s / 0.2) - 1, kind, text, data)


SESSION = [
    event(0.6, "heard", "count"), event(1.0, "heard", "my"), event(1.2, "heard", "squats"),
    event(1.4, "act", "count_reps", slots={"item": "squats", "number": None}, outcome="done"),
    event(1.6, "say", "counting squats", cause="act:count_reps", utterance=0),
    event(2.6, "spoken", "counting squats", start_s=1.7, end_s=2.5, utterance=0),
    event(3.0, "count", count=1, item="squats"),
    event(3.4, "delegate", "what torque", id="01A"),
    event(3.6, "answer", status="accepted", id="01A"),
    event(4.0, "stats", step_ms=12.0, step_p95_ms=20.0),
    event(4.4, "answer", "eighteen newton metres", status="final", id="01A"),
    event(4.6, "heard", "quiet"), event(4.8, "yield"),
    event(5.0, "spoken", "eighteen newton", start_s=4.5, end_s=4.8, utterance=1, cut=True),
]


def sound(path: Path, seconds: float, from_s: float, to_s: float, level: int = 9_000) -> Path:
    samples = np.zeros(round(seconds * 16_000), np.int16)
    samples[round(from_s * 16_000):round(to_s * 16_000)] = level
    writer = WavWriter(path)
    writer.append(samples)
    writer.close()
    return path


@pytest.fixture(name="video")
def video_file(tmp_path: Path) -> Path:
    writer = FilmWriter(tmp_path / "in.mp4", 160, 120, 10)
    for number in range(40):
        writer.picture(np.full((120, 160, 3), number * 6, np.uint8))
    writer.sound(np.zeros(64_000, np.int16))
    writer.close()
    return tmp_path / "in.mp4"


def test_story_sorts_the_events() -> None:
    told = story(SESSION)
    assert [phrase.text for phrase in told.heard] == ["count my squats", "quiet"]
    assert told.spoken[1] == Phrase(4.5, 4.8, "eighteen newton", cut=True)
    assert told.counts == ((3.0, 1),)
    assert [mark.text for mark in told.marks] == ["count reps squats", "yield"]
    assert told.errands == (Errand(3.4, 4.4, "what torque"),)
    assert told.end_s == 5.0


def test_an_errand_without_words_is_called_by_what_it_is_about() -> None:
    told = story([event(1.0, "delegate", id="01B", about="workout_log")])
    assert told.errands == (Errand(1.0, None, "workout log"),)


def test_story_of_nothing() -> None:
    told = story([])
    assert (told.heard, told.end_s) == ((), 0.0)


@pytest.mark.parametrize(("given", "expected"), [
    (event(1, "mute", what="camera", muted=True), "mute camera"),
    (event(1, "mute", what="all", muted=False), "unmute all"),
    (event(1, "timer", "tea", change="due"), "timer due: tea"),
    (event(1, "shed", "2 frames"), "shed: 2 frames"),
    (event(1, "duck"), "duck"),
])
def test_labels(given: Event, expected: str) -> None:
    assert label(given) == expected


def test_picture_shows_sound_where_it_was(tmp_path: Path, video: Path) -> None:
    wearer = sound(tmp_path / "w.wav", 5.0, 0.5, 1.2)
    own = sound(tmp_path / "o.wav", 5.0, 1.7, 2.5)
    picture(SESSION, wearer, own, tmp_path / "new" / "t.png", video=video)
    image = np.asarray(Image.open(tmp_path / "new" / "t.png").convert("RGB")).astype(int)
    assert image.shape[1] == 1800 and 300 < image.shape[0] < 700
    teal = np.abs(image - (15, 118, 110)).sum(axis=2) < 30
    columns = np.flatnonzero(teal[110:].sum(axis=0) > 40)
    start, end = (columns.min() - 156) / 82.2, (columns.max() - 156) / 82.2
    assert abs(start - 0.5) < 0.05 and abs(end - 1.2) < 0.05


def test_long_sessions_get_more_strips(tmp_path: Path) -> None:
    own = sound(tmp_path / "o.wav", 1.0, 0.2, 0.5)
    heights = []
    for seconds in (STRIP_S, 2 * STRIP_S + 5):
        wearer = sound(tmp_path / "w.wav", seconds, 0.2, 0.5)
        picture([], wearer, own, tmp_path / "t.png")
        heights.append(Image.open(tmp_path / "t.png").height)
    assert heights[1] > 2 * heights[0] * 0.8


def test_labels_that_do_not_fit_are_shortened_not_lost(tmp_path: Path) -> None:
    wearer = sound(tmp_path / "w.wav", 2.0, 0.2, 0.5)
    crowd = [event(0.2 * n, "error", "something long went wrong here again") for n in range(1, 40)]
    picture(crowd, wearer, wearer, tmp_path / "t.png")
    assert Image.open(tmp_path / "t.png").width == 1800


def test_film_has_the_words_under_the_picture_and_the_sound(tmp_path: Path, video: Path) -> None:
    mixed = sound(tmp_path / "mix.wav", 5.0, 0.5, 4.5)
    captions(video, SESSION, mixed, tmp_path / "c.mp4")
    frames = {}
    with av.open(str(tmp_path / "c.mp4")) as container:
        for frame in container.decode(video=0):
            frames[round(float(frame.time), 1)] = frame.to_ndarray(format="rgb24")
    assert len(frames) == 50
    assert frames[0.0].shape == (HEIGHT + BAND, WIDTH, 3)
    band = {t_s: (frame[HEIGHT + 45:, 110:] > 150).sum() for t_s, frame in frames.items()}
    assert band[2.0] > 500 > 50 > band[0.5]
    assert frames[2.0][200, 300].mean() == pytest.approx(20 * 6, abs=12)
    assert abs(len(read_audio(tmp_path / "c.mp4")) / 16_000 - 5.0) < 0.15


def test_film_without_video(tmp_path: Path) -> None:
    mixed = sound(tmp_path / "mix.wav", 1.0, 0.2, 0.8)
    captions(None, SESSION, mixed, tmp_path / "c.mp4")
    assert (tmp_path / "c.mp4").stat().st_size > 1_000


def test_film_reader_gives_the_picture_of_a_time(video: Path) -> None:
    film = Film(video, 80, 60)
    assert film.at(0.0).shape == (60, 80, 3)
    assert film.at(1.04).mean() == pytest.approx(60, abs=8)
    assert film.at(4.5).mean() == pytest.approx(39 * 6, abs=8)
    assert film.at(6.0) is None


def test_mix_adds_and_never_clips(tmp_path: Path) -> None:
    loud = sound(tmp_path / "a.wav", 1.0, 0.0, 1.0, level=30_000)
    longer = sound(tmp_path / "b.wav", 2.0, 0.5, 2.0, level=20_000)
    mix(loud, longer, tmp_path / "mix.wav")
    both = read_audio(tmp_path / "mix.wav")
    assert len(both) == 32_000
    assert both[12_000] == 32_767
    assert both[1_000] == pytest.approx(32_767 * 30 / 50, abs=2)


def test_live_timeline_prints_a_line_an_event_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with LiveTimeline(Console(file=out, width=100)) as timeline:
        for item in SESSION:
            timeline(item)
    lines = out.getvalue().splitlines()
    assert "heard    count my squats" in lines[0]
    assert any("says     counting squats   (act:count_reps)" in line for line in lines)
    assert any("counts   1 squats" in line for line in lines)
    assert any("final: eighteen newton metres" in line for line in lines)


def test_live_timeline_on_a_terminal_shows_count_and_step_time() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, legacy_windows=False)
    with LiveTimeline(console) as timeline:
        for item in SESSION:
            timeline(item)
    screen = out.getvalue()
    assert "count 1" in screen and "step 12 ms, p95 20 ms" in screen
    assert "open questions 0" in screen


def test_facts() -> None:
    lines = facts(SESSION, ran_s=2.0, sound_s=5.0)
    assert lines[0] == "5 s of sound and video in 2.0 s"
    assert "12 ms of its 200 ms" in lines[1]
    assert "2 phrases heard, 1 acts, 1 repetitions, 2 sentences" in lines[2]
    assert "'what torque' (1.0 s)" in lines[3]
