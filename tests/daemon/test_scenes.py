"""What is watched for in view: told once, at once, in the words that were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from daemon import acts as fx
from daemon.acts_scenes import NO_MORE, NOTHING_WATCHED
from daemon.acts_views import NOTHING_SEEN
from daemon.changes import changed, grown, halved, islands, shift
from daemon.ledger_book import from_json, to_json
from daemon.phrases import TOO_MANY
from daemon.scenes import ENTERED, PASSED
from daemon.turn import TURN_S, Floor, VideoFrame
from daemon.watchers import Lamp, looks
from tests.daemon.acts_stage import Stage, check_notes, texts
from tests.daemon.test_views import HERE, THERE

pytestmark = pytest.mark.unit

STILL = 15
"""Micro-turns of rest before something happens."""


def show(stage: Stage, pictures: list[np.ndarray], *, muted: bool = False) -> list[fx.Effect]:
    """Pictures (120, 160, 3), two a micro-turn; what came."""
    out: list[fx.Effect] = []
    for at in range(0, len(pictures), 2):
        stage.now_s += TURN_S
        stage.acts.see([VideoFrame(stage.now_s - 0.1 * (1 - k), p)
                        for k, p in enumerate(pictures[at : at + 2])], muted)
        effects = stage.acts.tick(stage.now_s, Floor.KEEP, True)
        check_notes(effects)
        out += effects
    return out


def boxed(left: int, colour: tuple[int, int, int] = (20, 200, 40), *, top: int = 30,
          size: tuple[int, int] = (60, 24), room: np.ndarray = HERE) -> np.ndarray:
    """The room with a box in it; `left` may be outside."""
    rgb = room.copy()
    first, last = max(left, 0), min(left + size[1], 160)
    if last > first:
        rgb[top : top + size[0], first:last] = colour
    return rgb


def asked(text: str, picture: np.ndarray = HERE) -> Stage:
    """Somebody asked, and has looked at the resting view since."""
    stage = Stage()
    show(stage, [picture] * 2)
    assert len(texts(stage.say(text))) == 1
    assert texts(show(stage, [picture] * 2 * STILL)) == []
    return stage


def test_a_light_that_turns_the_colour_is_told_over_the_wearers_words() -> None:
    before, after = (boxed(100, c, size=(16, 16)) for c in ((40, 190, 60), (225, 40, 35)))
    stage = asked("tell me when the light turns red", before)
    told = show(stage, [after] * 6)
    assert texts(told) == ["it is red now"]
    assert next(e for e in told if isinstance(e, fx.Say)).interrupt
    assert not stage.ledger.book.scenes
    assert texts(show(stage, [before] * 6 + [after] * 6)) == []


def test_another_colour_is_not_told() -> None:
    before, after = (boxed(100, c, size=(16, 16)) for c in ((40, 190, 60), (50, 90, 230)))
    stage = asked("tell me when the light turns red", before)
    assert texts(show(stage, [after] * 10)) == []


def test_start_and_stop_are_said_once_each() -> None:
    stage = asked("say start when it moves and stop when it stops")
    moving = [boxed(20 + 5 * k) for k in range(16)]
    assert texts(show(stage, moving)) == ["start"]
    assert texts(show(stage, moving[-1:] * 20)) == ["stop"]
    assert texts(show(stage, moving)) == []


@pytest.mark.parametrize("text, said", [("tell me when it moves", "it moves"),
                                        ("tell me when the needle moves", "the needle moved")])
def test_motion_that_begins_is_told(text: str, said: str) -> None:
    stage = asked(text)
    assert texts(show(stage, [boxed(20 + 5 * k) for k in range(16)])) == [said]


def test_what_moves_already_is_told_when_it_stops() -> None:
    stage = Stage()
    moving = [boxed(70 - 5 * abs(k % 20 - 10)) for k in range(40)]
    show(stage, moving[:2])
    stage.say("tell me when it stops")
    assert texts(show(stage, moving)) == []
    assert texts(show(stage, moving[-1:] * 30)) == ["it stopped"]


def test_somebody_who_comes_in_is_told_and_a_ball_is_not() -> None:
    stage = asked("tell me when someone comes in")
    assert texts(show(stage, [boxed(160 - 6 * k, (250, 250, 250), top=20, size=(10, 10))
                              for k in range(1, 14)])) == []
    stage = asked("tell me when someone comes in")
    assert texts(show(stage, [boxed(160 - 6 * k, (250, 250, 250), top=15, size=(100, 40))
                              for k in range(1, 14)])) == [ENTERED]


def test_a_needle_that_passes_the_mark_is_told_when_it_has_covered_it() -> None:
    dial = HERE.copy()
    dial[30:104, 24:136] = 235
    dial[40:52, 80:86] = (210, 30, 30)

    def at(left: int) -> np.ndarray:
        rgb = dial.copy()
        rgb[40:100, left : left + 4] = 20
        return rgb

    stage = asked("tell me when the needle passes the mark", at(30))
    assert texts(show(stage, [at(30 + 2 * k) for k in range(21)])) == []  # not there yet
    assert texts(show(stage, [at(72 + 2 * k) for k in range(12)])) == [PASSED]


def test_nothing_is_watched_without_sight_and_nothing_is_seen_while_muted() -> None:
    assert texts(Stage().say("tell me when it moves")) == [NOTHING_SEEN]
    stage = asked("tell me when it moves")
    assert texts(show(stage, [boxed(20 + 5 * k) for k in range(16)], muted=True)) == []


def test_watching_ends_when_asked_and_only_so_much_is_watched() -> None:
    stage = asked("tell me when it moves")
    assert texts(stage.say("stop watching")) == [NO_MORE]
    assert texts(stage.say("stop watching")) == [NOTHING_WATCHED]
    for text in ("it moves", "it stops", "someone enters", "it turns red"):
        stage.say(f"tell me when {text}")
    assert texts(stage.say("watch the needle")) == [TOO_MANY]


def test_the_ledger_keeps_what_is_watched_for() -> None:
    book = asked("tell me when it turns green").ledger.book
    assert from_json(to_json(book)) == book and book.scenes[0].colour == "green"


def test_no_takes_it_back() -> None:
    stage = asked("tell me when it moves")
    stage.say("no")
    assert not stage.ledger.book.scenes


def test_a_shaken_view_is_set_over_itself() -> None:
    a, b = halved(HERE), halved(np.roll(HERE, (4, -2), (0, 1)))
    assert shift(b, a) == (-2, 1)
    assert changed(b, a).max() < 1 < changed(halved(THERE), a).max()


def test_parts_of_a_mask() -> None:
    mask = np.zeros((6, 8), bool)
    mask[1, 1:4] = mask[4, 6] = True
    assert sorted(len(p) for p in islands(mask)) == [1, 3]
    assert grown(mask, 1).sum() == 15 + 9


@pytest.mark.parametrize("colour, rgb", [("red", (180, 30, 30)), ("green", (60, 160, 70)),
                                         ("white", (250, 248, 251)), ("orange", (220, 120, 30))])
def test_colours_by_hue(colour: str, rgb: tuple[int, int, int]) -> None:
    picture = np.empty((60, 80, 3), np.float32)
    picture[:] = rgb
    assert looks(picture, colour).all() and not looks(picture, "blue").any()


def test_a_lamp_that_was_red_from_the_beginning_is_not_told() -> None:
    lamp = Lamp("red")
    picture = halved(boxed(100, (225, 40, 35), size=(16, 16)))
    assert not any(lamp.look(picture) for _ in range(40))
