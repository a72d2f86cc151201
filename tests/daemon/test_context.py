"""What goes with a question: by policy, and by leave of the wearer."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.context import Privacy
from daemon.parts import Settings
from daemon.senses.camera import NoCamera
from daemon.turn import Act, Floor, Slots, VideoFrame
from tests.daemon.test_session import PromptLink, World, command


pytestmark = pytest.mark.unit


class OneView(NoCamera):
    """A camera that sees one grey wall, brighter with every micro-turn."""

    def frames(self, now_s):
        grey = 60 + round(now_s * 5)
        return [VideoFrame(now_s - 0.05, np.full((120, 160, 3), grey, np.uint8))]


def ask(words: str) -> dict:
    return {"heard": ("tagalong", *words.split()), "act": Act("ask", Slots(), 0.99)}


def world(plan, privacy: Privacy, turns: int = 40) -> tuple[World, PromptLink]:
    link = PromptLink()
    settings = Settings(stepped=True, has_camera=False, privacy=privacy)
    return World(plan, turns, link=link, camera=OneView(), settings=settings).run(), link


@pytest.mark.parametrize("pictures, words, sent", [
    ("when_delegated", "what is this lever", 1), ("when_delegated", "what is this", 1),
    ("never", "what is this lever", 0), ("when_delegated", "what torque", 0)])
def test_a_picture_goes_only_where_policy_and_words_want_it(pictures, words, sent):
    seen, link = world({3: ask(words), 12: {"floor": Floor.SPEAK}}, Privacy(pictures=pictures))
    assert len(link.asked[0]["frames"]) == sent
    assert seen.of("delegate")[0].data["pictures"] == sent


def test_nothing_but_the_words_goes_where_nothing_may():
    seen, link = world({3: ask("what torque")}, Privacy("never", "never", "never"))
    assert link.asked[0]["said"] == [] and link.asked[0]["clip"] is None
    assert (seen.of("delegate")[0].data["lines"], seen.of("delegate")[0].data["audio_s"]) == (0, 0)


POINTS = {3: ask("what is this")}
ASKED = Privacy(pictures="ask")


def test_with_a_yes_the_picture_goes_as_it_was_when_the_question_was_asked():
    seen, link = world({**POINTS, 14: command("yes", "yes")}, ASKED)
    assert "may I send a picture?" in seen.texts("say")
    assert seen.of("delegate")[0].turn == 14
    at_once, other = world(POINTS, Privacy(pictures="when_delegated"))
    assert at_once.of("delegate")[0].turn == 3
    assert link.asked[0]["frames"] == other.asked[0]["frames"] != ()
    assert link.asked[0]["said"] == other.asked[0]["said"]


@pytest.mark.parametrize("answer, turn", [({14: command("no", "no")}, 14), ({}, 44)])
def test_without_a_yes_the_question_goes_without_it(answer, turn):
    seen, link = world({**POINTS, **answer}, ASKED, turns=60)
    assert (seen.of("delegate")[0].turn, link.asked[0]["frames"]) == (turn, ())
    assert link.asked[0]["clip"] is not None, "only the picture was asked about"


def test_never_mind_drops_the_question():
    seen, link = world({**POINTS, 14: command("never_mind", "never", "mind")}, ASKED, turns=60)
    assert link.asked == [] and "okay, not done" in seen.texts("say")


def test_another_command_lets_the_question_go_without_it_first():
    seen, link = world({**POINTS, 14: ask("what torque")}, ASKED)
    assert [(a["words"], a["frames"]) for a in link.asked] == [("what is this", ()),
                                                              ("what torque", ())]


def test_all_that_is_to_be_asked_about_is_asked_at_once():
    seen, link = world({3: ask("what is this"), 18: command("yes", "yes")},
                       Privacy("ask", "ask", "ask"), turns=50)
    assert ("may I send what we said, the sound of your question and a picture?"
            in seen.texts("say"))
    asked = link.asked[0]
    assert asked["said"] and asked["clip"] is not None and len(asked["frames"]) == 1


def test_where_nothing_is_there_to_send_nothing_is_asked():
    seen, link = world({3: ask("what torque")}, ASKED)
    assert seen.of("delegate")[0].turn == 3
