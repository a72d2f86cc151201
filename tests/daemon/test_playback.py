"""Playback: order, levels, fades and spans, sample by sample."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from daemon.playback import GAP_SAMPLES, MAX_PENDING, Playback, Span, Utterance

pytestmark = pytest.mark.unit


def tone(samples: int, level: int = 8000) -> np.ndarray:
    return np.full(samples, level, np.int16)


def render_all(playback: Playback, samples: int, block: int = 160) -> np.ndarray:
    return np.concatenate([playback.render(block) for _ in range(samples // block)])


def test_an_utterance_sounds_at_once_and_unchanged() -> None:
    playback = Playback()
    playback.render(320)
    pcm = np.arange(1000, dtype=np.int16)
    playback.say(Utterance(7, pcm, "hello", "say"))
    assert playback.speaking and playback.pending == 1
    sound = playback.render(1600)
    assert np.array_equal(sound[:1000], pcm) and not sound[1000:].any()
    assert playback.spans() == [Span(7, "hello", "say", 320, 1320, True)]
    assert playback.spans() == [] and not playback.speaking and playback.position == 1920


@pytest.mark.parametrize("block", [1, 7, 160, 3200])
def test_the_sound_does_not_depend_on_the_block_size(block: int) -> None:
    whole, pieces = Playback(), Playback()
    for playback in (whole, pieces):
        playback.volume = 50
        playback.say(Utterance(1, tone(500)))
        playback.say(Utterance(2, iter([tone(100), tone(50, 100)])))
        playback.fill()
    size = 3200 // block * block
    assert np.array_equal(whole.render(size), render_all(pieces, size, block))
    assert whole.spans() == pieces.spans()


def test_sentences_follow_in_order_with_a_gap() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(320)))
    playback.say(Utterance(2, tone(320)))
    playback.render(4800)
    first, second = playback.spans()
    assert (first.end_sample, second.start_sample) == (320, 320 + GAP_SAMPLES)


def test_a_newer_number_replaces_one_that_has_not_begun_only() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(640), "one", "count", "count"))
    playback.render(160)
    playback.say(Utterance(2, tone(640), "two", "count", "count"))
    assert playback.say(Utterance(3, tone(640), "three", "count", "count")) == 2
    playback.render(9600)
    assert [span.text for span in playback.spans()] == ["one", "three"]


def test_urgent_goes_between_the_sentences_of_an_answer() -> None:
    playback = Playback()
    for number in range(3):
        playback.say(Utterance(number, tone(160), kind="answer"))
    playback.render(80)
    playback.say(Utterance(10, tone(160), kind="count", urgent=True))
    playback.say(Utterance(11, tone(160), kind="count", urgent=True))
    playback.render(16_000)
    assert [span.id for span in playback.spans()] == [0, 10, 11, 1, 2]


def test_duck_lowers_by_15_db_within_10_ms_and_silence_ends_it() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(3200, 10_000)))
    playback.render(320)
    playback.duck()
    assert playback.ducked
    lowered = playback.render(480)
    assert np.all(np.diff(lowered[:160].astype(int)) <= 0)
    assert lowered[160] == round(10_000 * 10 ** (-15 / 20)) == lowered[-1]
    playback.restore()
    assert playback.render(320)[-1] == 10_000 and not playback.ducked
    playback.duck()
    playback.render(6400)
    assert not playback.ducked
    playback.say(Utterance(2, tone(100, 10_000)))
    assert playback.render(10)[0] == 10_000


def test_the_level_of_a_ducked_voice_can_be_set() -> None:
    playback = Playback(duck_db=-40.0)
    playback.say(Utterance(1, tone(3200, 10_000)))
    playback.duck()
    assert playback.render(480)[-1] == 100


@pytest.mark.parametrize("block", [160, 3200])
def test_a_held_voice_goes_on_where_it_stood(block: int) -> None:
    playback = Playback()
    playback.say(Utterance(1, np.arange(9600, dtype=np.int16)))
    before = playback.render(3200)
    playback.hold()
    silence = render_all(playback, 6400, block)
    assert playback.held and not silence[160:].any()
    playback.restore()
    after = render_all(playback, 9600, block)
    assert before[-1] == 3199 and after[160] == 3200 + 160 + 160  # two ramps were faded, not lost
    assert playback.spans()[0].end_sample == 9600 + 6400 - 160 and not playback.held


def test_flushing_a_held_voice_ends_it_at_once() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(9600)))
    playback.say(Utterance(2, tone(9600)))
    playback.render(3200)
    playback.hold()
    playback.render(3200)
    assert playback.flush() == [1, 2] and not playback.speaking and not playback.held
    assert [(s.id, s.completed) for s in playback.spans()] == [(1, False)]
    playback.say(Utterance(3, tone(320)))
    assert playback.render(320).max() == 8000


def test_what_ends_while_it_falls_silent_leaves_nothing_held() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(3250)))
    playback.render(3200)
    playback.hold()
    playback.render(3200)
    assert not playback.held and not playback.speaking
    playback.hold()
    assert not playback.held  # in silence there is nothing to hold


def test_flush_fades_in_20_ms_and_names_what_was_cut() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(16_000), "a long sentence"))
    playback.say(Utterance(2, tone(16_000)))
    playback.render(1600)
    assert playback.flush() == [1, 2]
    assert playback.flush() == []
    sound = playback.render(640)
    assert sound[0] == 8000 and 0 < sound[319] < 100 and not sound[320:].any()
    assert np.all(np.diff(sound[:320].astype(int)) <= 0)
    assert playback.spans() == [Span(1, "a long sentence", "say", 0, 1920, False)]
    assert not playback.speaking


def test_flush_in_the_last_20_ms_counts_as_completed() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(1000)))
    playback.render(800)
    assert playback.flush() == []
    playback.render(400)
    assert playback.spans()[0].completed


def test_volume_scales_and_refuses_other_numbers() -> None:
    playback = Playback()
    playback.volume = 50
    playback.render(10)
    playback.say(Utterance(1, tone(100)))
    assert playback.render(100)[50] == 2000
    for wrong in (-1, 101):
        with pytest.raises(ValueError, match="expected 0 to 100"):
            playback.volume = wrong
    assert playback.volume == 50


def test_a_chunked_source_is_pulled_by_fill_and_waits_in_silence_when_slow() -> None:
    playback = Playback()
    chunks = [tone(100), tone(100)]
    playback.say(Utterance(1, iter(chunks)))
    assert not playback.render(50).any() and playback.pending == 1
    playback.fill(50)
    assert np.count_nonzero(playback.render(150)) == 100
    assert playback.underruns == 1
    assert playback.fill()
    assert np.count_nonzero(playback.render(150)) == 100
    assert playback.spans() == [Span(1, "", "say", 50, 300, True)]


def test_a_source_that_fails_ends_early_and_is_told() -> None:
    def broken():
        yield tone(100)
        raise RuntimeError("voice crashed")

    playback = Playback()
    playback.say(Utterance(1, broken()))
    playback.say(Utterance(2, iter([np.zeros(3, np.float32)])))
    playback.say(Utterance(3, tone(100)))
    playback.fill()
    playback.render(8000)
    assert [(span.id, span.completed) for span in playback.spans()] == [
        (1, False), (2, False), (3, True)]
    first, second = playback.problems()
    assert "voice crashed" in first and "float32" in second


def test_an_utterance_waits_until_it_is_ready_and_is_given_up_after_2_s() -> None:
    committed = threading.Event()
    playback = Playback()
    playback.say(Utterance(1, tone(100), ready=committed.is_set))
    assert not playback.fill()
    assert not playback.render(16_000).any()
    committed.set()
    playback.fill()
    assert playback.render(100).all()
    playback.say(Utterance(2, tone(100), ready=lambda: False))
    playback.say(Utterance(3, tone(100), ready=lambda: False))
    playback.say(Utterance(4, tone(100)))
    playback.fill()
    playback.render(5 * 16_000)
    assert [(s.id, s.completed) for s in playback.spans()] == [
        (1, True), (2, False), (3, False), (4, True)]
    assert len(playback.problems()) == 2 and playback.dropped == 2


def test_fill_with_patience_waits_for_a_commit_in_another_thread() -> None:
    committed = threading.Event()
    playback = Playback()
    playback.say(Utterance(1, tone(100), ready=committed.is_set))
    writer = threading.Thread(target=committed.set)
    writer.start()
    assert playback.fill(patience_s=5)
    writer.join()
    assert playback.render(100).all()


def test_the_queue_is_bounded_and_drops_the_oldest_as_a_span_of_no_length() -> None:
    playback = Playback()
    for number in range(MAX_PENDING + 2):
        playback.say(Utterance(number, tone(10)))
    assert playback.pending == MAX_PENDING and playback.dropped == 2
    assert playback.spans() == [Span(0, "", "say", 0, 0, False), Span(1, "", "say", 0, 0, False)]


def test_wrong_samples_are_refused_and_nothing_else_is_lost() -> None:
    playback = Playback()
    playback.say(Utterance(1, tone(100)))
    for wrong in (np.zeros(4, np.float32), np.zeros((4, 2), np.int16)):
        with pytest.raises(TypeError, match=r"expected \(n,\) int16"):
            playback.say(Utterance(2, wrong))
    playback.render(200)
    assert [span.id for span in playback.spans()] == [1]


def test_spans_are_on_the_session_clock() -> None:
    playback = Playback()
    playback.offset = 1600
    playback.say(Utterance(1, tone(100)))
    playback.render(200)
    assert playback.spans()[0].start_sample == 1600


def test_render_in_one_thread_and_say_in_another_lose_nothing() -> None:
    playback = Playback()
    stop = threading.Event()
    heard = 0

    def card() -> None:
        nonlocal heard
        while not stop.is_set() or playback.speaking:
            heard += int(np.count_nonzero(playback.render(160)))

    player = threading.Thread(target=card)
    player.start()
    for number in range(50):
        playback.say(Utterance(number, tone(37)))
    stop.set()
    player.join(timeout=10)
    assert heard == 50 * 37
    assert [span.id for span in playback.spans()] == list(range(50))
