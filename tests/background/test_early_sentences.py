"""What the model has finished saying is spoken while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from daemon.background import wire
from daemon.background.agent import NO_MORE, AgentReasoner
from daemon.background.agent_config import AgentConfig
from daemon.background.agent_words import finished_sentences
from daemon.background.reasoner import PlainReasoner
from tests.background.openai_stage import DONE, Reply, breaks_off, calls, chunk, endpoint, says

pytestmark = pytest.mark.unit
PAUSE_S = 0.4
SEARCH = calls("manual_search", {"question": "torque for an M8 bolt in aluminium"})


def slowly(*pieces: str) -> Reply:
    """Text with a pause after each piece."""
    def reply(body: dict) -> Iterator[bytes]:
        for piece in pieces:
            yield chunk({"role": "assistant", "content": piece})
            time.sleep(PAUSE_S)
        yield chunk({}, "stop")
        yield DONE
    return reply


def heard(local: PlainReasoner, *replies: Reply) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    """Sentences that were said early and how long before the end, and the whole answer."""
    early: list[tuple[str, float]] = []
    ask = wire.Ask(id=wire.new_ulid(0), device="glasses", kind="question",
                   words="what torque for an m eight bolt in aluminium", deadline_s=30)
    with endpoint(*replies) as stage:
        config = AgentConfig(endpoint=stage.url, timeout_s=10.0, quiet_s=2.0)
        result = AgentReasoner(local, config).answer(
            ask, None, lambda: False, say=lambda s: early.append((s, time.monotonic())))
    ended_s = time.monotonic()
    assert result is not None
    return [(s, ended_s - at_s) for s, at_s in early], result.sentences


def test_a_sentence_is_said_as_soon_as_the_next_one_begins(local) -> None:
    early, whole = heard(local, SEARCH, slowly("It takes 16 newton metres. ", "Tighten it ",
                                               "evenly. ", "Check it later."))
    assert [s for s, _ in early] == ["It takes 16 newton metres.", "Tighten it evenly."]
    assert early[0][1] > 2.5 * PAUSE_S, "while the model goes on"
    assert whole == ("It takes 16 newton metres.", "Tighten it evenly.", "Check it later.")


def test_nothing_is_said_early_past_a_figure_that_nobody_vouches_for(local) -> None:
    early, whole = heard(local, SEARCH, slowly("Use the right key. ", "It takes 99 newton metres. ",
                                               "Tighten it. ", "Good."))
    assert [s for s, _ in early] == ["Use the right key."]
    assert whole == ("Use the right key.", "Tighten it.", "Good.")


def test_an_announcement_before_a_tool_is_not_said(local) -> None:
    def announces(body: dict) -> Iterator[bytes]:
        yield chunk({"role": "assistant", "content": "Let me look that up."})
        yield from SEARCH(body)
    early, whole = heard(local, announces, says("It takes 16 newton metres."))
    assert early == [] and whole == ("It takes 16 newton metres.",)


def test_what_was_said_stays_when_the_endpoint_breaks_off(local) -> None:
    def half(body: dict) -> Iterator[bytes]:
        yield chunk({"role": "assistant", "content": "Use the right key. Then "})
        yield from breaks_off(body)
    early, whole = heard(local, half)
    assert [s for s, _ in early] == ["Use the right key."] and whole[0] == "Use the right key."
    assert any("16 newton metres" in s for s in whole[1:]), "the local reasoner goes on"


def test_an_answer_whose_end_may_not_be_spoken_is_ended_all_the_same(local) -> None:
    early, whole = heard(local, SEARCH, slowly("Use the right key. ", "It takes 99 newton metres."))
    assert [s for s, _ in early] == ["Use the right key."]
    assert whole == ("Use the right key.", NO_MORE)


@pytest.mark.parametrize("text, finished", [
    ("One. Two. Thr", ("One.", "Two.")), ("One. ```Two. Three. Fo", ()), ("One. <b Two. Three", ()),
    ("One. [Two. Three](http", ()), ("One.", ()), ("", ())])
def test_finished_sentences_wait_for_open_markup(text: str, finished: tuple[str, ...]) -> None:
    assert finished_sentences(text) == finished
