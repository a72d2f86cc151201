"""The loop with real parts and a scripted network: order, timing, floor, mute, link, resume."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

from daemon.acts import Acts
from daemon.acts_effects import Say
from daemon.clock import SteppedClock
from daemon.delegation import NullLink
from daemon.ears import Ears
from daemon.errands import Errands
from daemon.events import Event, EventLog, undocumented
from daemon.governor import Governor
from daemon.ledger import Book, Ledger, LedgerStore, RepSet
from daemon.mouth import Mouth
from daemon.mute import MuteControl
from daemon.outbox import Heard
from daemon.parts import Parts, Settings
from daemon.playback import Playback
from daemon.promises import AnswerEvent, EventKind
from daemon.senses.camera import NoCamera
from daemon.senses.speaker import FileSpeaker
from daemon.sensors import Sensors
from daemon.session import Session
from daemon.turn import (
    TURN_SAMPLES,
    Act,
    Floor,
    MicroTurn,
    Reply,
    Slots,
    Task,
    VideoFrame,
    VoiceState,
)
from daemon.voice import open_voice
from daemon.writer import Writer

pytestmark = pytest.mark.unit
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
VOICE = open_voice("espeak")
Plan = dict[int, dict]


class Script:
    """A network whose replies are written down: micro-turn -> fields of its reply."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.turns: list[MicroTurn] = []

    def step(self, turn: MicroTurn) -> Reply:
        self.turns.append(turn)
        fields = dict(self.plan.get(turn.index, {}))
        if isinstance(fields.get("act"), str):
            fields["act"] = Act(fields["act"])
        return Reply(turn.index, **fields)

    def reset(self) -> None:
        """Nothing is remembered."""


class SoundMicrophone:
    """A microphone that hears what it is given, for as long as it was told to."""

    problem: str | None = None
    lost_samples = 0
    muted = False

    def __init__(self, turns: int, sound: np.ndarray | None = None) -> None:
        self.behind = 0
        self.opened = True
        self._turns = turns
        self._sound = sound
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= self._turns

    def read(self, out: np.ndarray) -> None:
        out[:] = 0 if self._sound is None else self._sound
        self._at += 1
        self.behind = max(0, self.behind - 1)


class World:
    """A session on a stepped clock, its events and its parts."""

    def __init__(self, plan: Plan, turns: int = 20, *, link=None, camera=None, store=None,
                 ledger=None, settings: Settings | None = None) -> None:
        clock = SteppedClock()
        playback = Playback()
        speaker = FileSpeaker(None)
        speaker.start(playback)
        self.events: list[Event] = []
        self.script = Script(plan)
        self.microphone = SoundMicrophone(turns)
        self.control = MuteControl()
        self.ledger = ledger or Ledger(lambda: NOON)
        governor = Governor()
        self.writer = Writer(EventLog(None, [self.events.append]), lossless=True)
        parts = Parts(
            model=self.script, ears=Ears(self.microphone), camera=camera or NoCamera(),
            speaker=speaker, mouth=Mouth(playback, lambda rate, language: VOICE),
            ledger=self.ledger, governor=governor,
            acts=Acts(self.ledger, governor, battery=lambda: None),
            errands=Errands(link or NullLink(), clock.answer_s),
            sensors=Sensors(self.control), writer=self.writer, store=store)
        self.session = Session(parts, settings or Settings(stepped=True, has_camera=False))

    def run(self) -> World:
        self.session.begin({})
        self.session.finish(self.session.run(threading.Event()))
        self.writer.close()
        assert [e for e in self.events if undocumented(e)] == []
        return self

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def texts(self, kind: str) -> list[str | None]:
        return [event.text for event in self.of(kind)]


def command(name: str, *heard: str, **slots) -> dict:
    return {"heard": ("tagalong", *heard) if heard else (), "act": Act(name, Slots(**slots), 0.99)}


SQUATS = command("count_reps", "tagalong", "count", "my", "squats", item="squats")


def test_sound_starts_at_the_end_of_the_turn_plus_the_declared_delay():
    world = World({3: SQUATS}).run()
    spoken = world.of("spoken")[0]
    assert spoken.text == "counting squats"
    assert spoken.data["start_s"] == pytest.approx(4 * 0.2 + 0.1)
    assert not spoken.data["cut"] and spoken.data["end_s"] > spoken.data["start_s"]


def test_repetitions_are_counted_aloud_and_the_state_says_so():
    world = World({3: SQUATS, **{k: {"counted": 1} for k in (8, 12, 16)}}, 22).run()
    assert [e.data["count"] for e in world.of("count")] == [1, 2, 3]
    assert world.texts("spoken") == ["counting squats", "one", "two", "three"]
    states = [turn.state for turn in world.script.turns]
    assert states[3].task is Task.NONE and states[4].task is Task.REPS
    assert states[13].count == 2


def test_the_network_sees_its_voice_from_the_next_micro_turn_on():
    world = World({3: SQUATS}).run()
    voices = [turn.state.voice for turn in world.script.turns]
    assert voices[3] is VoiceState.SILENT and voices[4] is VoiceState.SPEAKING
    spoken = world.of("spoken")[0]
    turns = int(np.ceil((spoken.data["end_s"] - spoken.data["start_s"]) / 0.2))
    assert voices[4 : 4 + turns] == [VoiceState.SPEAKING] * turns
    after = world.script.turns[4 + turns].state
    assert after.voice is VoiceState.SILENT
    assert after.since_spoke_s == pytest.approx(0.0)
    assert world.script.turns[4 + turns + 5].state.since_spoke_s == pytest.approx(1.0)


HELP = {2: command("help", "tagalong", "help")}


STOP = {"act": Act("stop", confidence=0.95), "heard": ("stop",)}


def test_duck_then_yield_is_silent_within_a_micro_turn():
    world = World({**HELP, 8: {"floor": Floor.DUCK}, 9: {"floor": Floor.YIELD}, 11: STOP}).run()
    voices = [turn.state.voice for turn in world.script.turns]
    assert voices[8:12] == [VoiceState.SPEAKING, VoiceState.DUCKED, VoiceState.SILENT,
                            VoiceState.SILENT]
    assert [e.turn for e in world.of("duck")] == [8]
    assert [e.turn for e in world.of("yield")] == [9]
    spoken = world.of("spoken")[0]
    assert spoken.data["cut"] and not world.of("resume")
    assert 10 * 0.2 < spoken.data["end_s"] <= 12 * 0.2 + 0.1


def test_a_voice_that_yielded_to_nobody_goes_on_where_it_stood():
    plain = World(HELP, 80).run().of("spoken")[0].data
    held = World({**HELP, 8: {"floor": Floor.DUCK}, 9: {"floor": Floor.YIELD},
                  11: {"heard": ("okay",)}}, 80).run()
    spoken = held.of("spoken")[0].data
    assert not spoken["cut"]
    assert [e.turn for e in held.of("resume")] == [15]  # 0.8 s after the word
    longer = (spoken["end_s"] - spoken["start_s"]) - (plain["end_s"] - plain["start_s"])
    assert longer == pytest.approx(6 * 0.2, abs=0.03)


def test_a_voice_that_is_called_by_name_gives_up_what_it_was_saying():
    world = World({**HELP, 9: {"floor": Floor.YIELD}, 11: {"heard": ("tagalong",)}}, 60).run()
    assert world.of("spoken")[0].data["cut"] and not world.of("resume")


def test_a_reply_ends_what_was_held():
    world = World({**HELP, 9: {"floor": Floor.YIELD}, 11: SQUATS}, 60).run()
    first, second = world.of("spoken")[:2]
    assert first.data["cut"] and not second.data["cut"]
    assert second.data["start_s"] < 12 * 0.2 + 0.3


def test_duck_then_keep_goes_back_to_full_level():
    world = World({**HELP, 8: {"floor": Floor.DUCK}}, 60).run()
    assert [e.turn for e in world.of("duck")] == [8]
    assert [e.turn for e in world.of("resume")] == [9]
    assert not world.of("spoken")[0].data["cut"]


def test_nothing_is_ducked_in_silence():
    world = World({4: {"floor": Floor.DUCK}, 5: {"floor": Floor.YIELD}}).run()
    assert not world.of("duck") and not world.of("yield")


def test_say_names_its_cause_and_a_low_confidence_is_not_executed():
    world = World({3: SQUATS, 9: {"act": Act("stop_count", confidence=0.05)}}).run()
    assert world.of("say")[0].data["cause"] == "act:count_reps"
    assert world.of("act")[-1].data["outcome"] != "done"
    assert world.ledger.book.running is not None


def test_run_ends_when_speech_has_drained_or_after_the_tail():
    world = World({8: SQUATS}, 10).run()
    end, spoken = world.of("end")[0], world.of("spoken")[0]
    assert end.text == "the input has ended" and not spoken.data["cut"]
    assert end.t_s - 0.2 <= max(spoken.data["end_s"], 2.0 + 1.2) <= end.t_s
    settings = Settings(stepped=True, has_camera=False, tail_s=0.4)
    short = World(HELP, 10, settings=settings).run()
    assert short.of("end")[0].t_s == pytest.approx(2.0 + 0.4)
    assert short.of("spoken")[0].data["cut"]


def test_two_runs_write_the_same_events():
    plan = {3: SQUATS, 8: {"counted": 1}, 14: command("stop_count", "stop", "counting")}
    first, second = World(plan).run(), World(plan).run()
    compared = [[e for e in w.events if e.kind != "stats"] for w in (first, second)]
    assert compared[0] == compared[1]


ASK = {3: {"heard": ("tagalong", "what", "torque"), "act": Act("ask", Slots(), 0.99)}}


class PromptLink(NullLink):
    """A link whose answer is there at once; what was asked is kept."""

    connected = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict] = []
        self.settled: list[str] = []
        self.known: list[AnswerEvent] = []

    def ask(self, kind, words="", conversation=(), audio_clip=None, deadline_s=60.0,
            placement="when_idle", arguments=None, frames=()):
        id = f"id{len(self.asked)}"
        self.asked.append({"words": words, "clip": audio_clip, "said": list(conversation),
                           "frames": frames})
        self.known += [AnswerEvent(EventKind.ACCEPTED, id),
                       AnswerEvent(EventKind.PART, id, 0, "Twenty newton metres."),
                       AnswerEvent(EventKind.FINAL, id, 1, "Use a dry thread.", source="bolts")]
        return id

    def committed(self, id):
        return True

    def poll(self):
        events, self.known = self.known, []
        return events

    def settle(self, id):
        self.settled.append(id)


def test_an_answer_becomes_known_one_second_after_the_question():
    link = PromptLink()
    ledger = Ledger(lambda: NOON, book=Book(running=RepSet(1, "squats", 0.0, 7)))
    world = World({**ASK, 12: {"floor": Floor.SPEAK}}, 40, link=link, ledger=ledger).run()
    asked = world.of("delegate")[0]
    answers = world.of("answer")
    assert {e.turn - asked.turn for e in answers} == {5}
    assert [e.data["status"] for e in answers] == ["accepted", "part", "final"]
    assert answers[-1].data["source"] == "bolts"
    assert answers[-1].data["latency_s"] == pytest.approx(1.0)
    assert world.texts("spoken")[-2:] == ["Twenty newton metres.", "Use a dry thread."]
    assert link.settled == ["id0"]
    assert link.asked[0]["clip"].shape == (4 * TURN_SAMPLES,)
    assert link.asked[0]["said"][0] == ("ledger", "squats: 7 so far")
    assert link.asked[0]["said"][-1] == ("wearer", "tagalong what torque")
    assert asked.data["about"] == "question" and asked.data["audio_s"] == 0.8
    assert asked.data["pictures"] == 0
    assert asked.data["lines"] == len(link.asked[0]["said"])
    assert world.session.parts.errands.sent.audio_s == 0.8
    assert world.script.turns[4].state.delegations == 1
    assert world.script.turns[9].state.answers == 1


class ResumingLink(PromptLink):
    """An answer of three sentences of which an earlier process said one and began another."""

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        texts = ("First.", "Second.", "Third.")
        self.known = [AnswerEvent(EventKind.PART, "old", n, text) for n, text in enumerate(texts)]
        self.known[2] = replace(self.known[2], kind=EventKind.FINAL, heard=heard)
        self.marks: list[tuple[str, int]] = []

    def begin(self, id, sentence):
        if ("begun", sentence) not in self.marks:
            self.marks.append(("begun", sentence))
        return True

    def completed(self, id, sentence):
        self.marks.append(("completed", sentence))


@pytest.mark.parametrize(("heard", "spoken", "marks"), [
    (Heard(2, 1), ["as I was saying: Second.", "Third."],
     [("begun", 1), ("begun", 2), ("completed", 1), ("completed", 2)]),
    (Heard(2, 2), ["Third."], [("begun", 2), ("completed", 2)]),
    (Heard(3, 3), [], []),
])
def test_an_answer_that_a_crash_broke_off_goes_on_at_that_sentence(heard, spoken, marks):
    link = ResumingLink(heard)
    world = World({1: {"floor": Floor.SPEAK}}, 40, link=link).run()
    assert world.texts("spoken") == spoken
    assert link.settled == ["old"]
    assert sorted(link.marks) == sorted(marks)


def test_without_a_broker_the_question_is_refused_aloud_and_nothing_is_promised():
    world = World(ASK, 20).run()
    assert world.texts("spoken") == ["I cannot look things up without a connection."]
    assert world.of("answer")[0].data["status"] == "refused"
    assert world.script.turns[5].state.delegations == 0


class SilentLink(PromptLink):
    """Takes questions and never answers; there is no connection."""

    connected = False

    def ask(self, *args, **kwargs):
        id = super().ask(*args, **kwargs)
        self.known.clear()
        return id

    def wait(self, id, timeout_s):
        return False


def test_a_question_that_nobody_answers_expires_aloud():
    world = World(ASK, 60, link=SilentLink())
    seconds = iter(range(0, 10_000, 3))
    world.session.parts.errands._wall_s = lambda: float(next(seconds))
    world.run()
    assert world.of("answer")[-1].data["status"] == "expired"
    assert "no answer" in world.texts("spoken")[-1]


def test_what_was_heard_before_a_mute_goes_to_nobody():
    ears = Ears(SoundMicrophone(9, np.full(TURN_SAMPLES, 7, np.int16)))
    for _ in range(3):
        ears.wait()
        ears.listen(np.zeros(TURN_SAMPLES, np.int16))
    assert ears.last(0.4).tolist() == [7] * 2 * TURN_SAMPLES
    ears.forget()
    assert ears.last(12.0) is None


class FailingCamera(NoCamera):
    """A camera that vanishes in its third micro-turn."""

    problem: str | None = None

    def frames(self, until_s):
        self.problem = "camera gone" if until_s > 0.5 else None
        return []


def test_a_camera_that_vanishes_is_told_once_and_the_rest_goes_on():
    world = World({12: SQUATS}, 30, camera=FailingCamera()).run()
    assert [e.data["where"] for e in world.of("error")] == ["camera"]
    assert world.texts("spoken") == ["I cannot see any more. The camera is gone.",
                                     "counting squats"]


def test_an_act_that_fails_does_not_end_the_session():
    world = World({3: {"act": Act("set_timer", Slots(number=1, unit="fortnight"), 0.99),
                       "heard": ("timer",)}, 10: SQUATS}).run()
    assert "counting squats" in world.texts("spoken")


class RunningCamera(NoCamera):
    """Two frames a micro-turn."""

    def frames(self, until_s):
        picture = np.zeros((120, 160, 3), np.uint8)
        return [VideoFrame(until_s - 0.2, picture), VideoFrame(until_s - 0.1, picture)]


def test_when_late_video_is_dropped_then_the_oldest_turns_and_all_is_counted():
    world = World({}, 60, camera=RunningCamera())
    world.microphone.behind = 8
    world.run()
    indices = [turn.index for turn in world.script.turns]
    assert indices[0] == 3
    with_video = [bool(turn.frames) for turn in world.script.turns]
    assert with_video[:5] == [False] * 5 and all(with_video[5:])
    shed = {e.data["what"]: e.data["count"] for e in world.of("shed")}
    assert shed == {"turns": 3, "video": 10}


def test_a_killed_session_goes_on_counting(tmp_path):
    store = LedgerStore(tmp_path / "ledger.sqlite")
    world = World({3: SQUATS, 6: {"counted": 1}, 7: {"counted": 1}}, 40, store=store)
    for _ in range(9):
        world.session.turn()
    world.writer.flush()
    snapshot = store.load()
    assert snapshot is not None
    ledger = Ledger.restore(snapshot, lambda: NOON)
    again = World({4: {"counted": 1}}, 12, ledger=ledger).run()
    assert again.script.turns[0].state.task is Task.REPS
    assert again.texts("spoken") == ["three"]
    world.writer.close()


def test_a_session_that_ended_well_leaves_nothing_to_resume(tmp_path):
    store = LedgerStore(tmp_path / "ledger.sqlite")
    World({3: SQUATS}, 12, store=store).run()
    assert store.load() is None


@pytest.mark.parametrize(("reason", "running"), [("stopped", False), ("failed", True)])
def test_a_live_session_that_ended_well_ends_its_set_and_keeps_its_timers(
        tmp_path, reason, running):
    store = LedgerStore(tmp_path / "ledger.sqlite")
    timer = command("set_timer", "set", "a", "timer", "for", "ten", "minutes", number=10,
                    unit="minute")
    world = World({3: SQUATS, 7: {"counted": 1}, 8: {"counted": 1}, 12: timer}, store=store,
                  settings=Settings(has_camera=False))
    for _ in range(15):
        world.session.turn()
    world.session.finish(reason)
    world.writer.close()
    book = Ledger.restore(store.load() or {}, lambda: NOON).book
    assert (book.running is not None) is running
    assert (book.running or book.finished[-1]).count == 2
    assert [t.text for t in book.timers] == ["ten minutes"]


def test_step_thread_never_synthesises():
    makers: list[str] = []

    def voices(rate: float, language: str):
        makers.append(threading.current_thread().name)
        return VOICE

    mouth = Mouth(Playback(), voices)
    stopping = threading.Event()
    thread = threading.Thread(target=mouth.run, args=(stopping,), name="voice")
    mouth.say(Say("hello there"), lambda id: True, lambda id, n: True)
    thread.start()
    while not mouth.playback.render(TURN_SAMPLES).any():
        pass
    stopping.set()
    thread.join()
    assert makers == ["voice"]
