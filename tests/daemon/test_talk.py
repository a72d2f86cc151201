"""Who holds the floor: most sentences are held when the wearer talks, a cue they asked for is not."""

from __future__ import annotations

import pytest

from daemon.acts_effects import Say
from daemon.mouth import Mouth
from daemon.playback import Playback
from daemon.talk import Talk
from daemon.turn import TURN_SAMPLES, Floor
from daemon.voice import open_voice

pytestmark = pytest.mark.unit

VOICE = open_voice("espeak")


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("floor, event", [(Floor.YIELD, "yield"), (Floor.DUCK, "duck")])
def test_a_cue_is_heard_over_the_wearer(floor: Floor, event: str, over: bool) -> None:
    events: list[str] = []
    mouth = Mouth(Playback(), lambda rate, language: VOICE)
    talk = Talk(mouth, lambda kind, **data: events.append(kind), lambda: False)
    mouth.say(Say("filler", over=over), lambda id: True, lambda id, n: True)
    mouth.fill()
    mouth.playback.render(TURN_SAMPLES)
    talk.follow(floor, (), 1.0)
    assert events == ([] if over else [event])
    assert (mouth.playback.held or mouth.playback.ducked) is not over


def test_each_language_has_its_own_voice() -> None:
    asked: list[tuple[float, str]] = []

    def voices(rate: float, language: str):
        asked.append((rate, language))
        return VOICE

    mouth = Mouth(Playback(), voices)
    for language in ("", "de"):
        mouth.say(Say("guten tag", language=language), lambda id: True, lambda id, n: True)
    while mouth.playback.speaking:
        mouth.fill()
        mouth.playback.render(TURN_SAMPLES)
    assert asked == [(1.0, ""), (1.0, "de")]
