"""What the daemon does with an act: the ledger changes, and effects go to the session.

The network says what was commanded and when to speak; here is decided whether that is done, read
back or left, and what is said. Order in the session, once a micro-turn: `see`, `apply` (if there
is an act), `heard`, `counted`, `answer_ready` for what came in, `tick`. Effects are carried out in
order; a reply's first word is always information, never a filler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from daemon import (
    acts_company,
    acts_cues,
    acts_due,
    acts_interpret,
    acts_order,
    acts_routine,
    acts_scenes,
    acts_sets,
    acts_technician,
    acts_time,
    acts_undo,
    acts_views,
    acts_voice,
    phrases,
)
from daemon.acts_addressed import addressed, in_context
from daemon.acts_check import Decision, Verdict, check, command_words, waits, warm_up
from daemon.acts_desk import Desk, Handler, timer_note
from daemon.acts_effects import (
    Bookmark,
    CancelDelegations,
    Delegate,
    Earcon,
    Effect,
    Mute,
    Note,
    Rate,
    Report,
    Say,
    Stop,
    Unmute,
    Volume,
)
from daemon.acts_hearing import Hearing
from daemon.acts_listening import Listening
from daemon.acts_log import LogQueue
from daemon.acts_outlet import Outlet
from daemon.acts_pending import Held, act_note, garbled, same
from daemon.acts_questions import Questions
from daemon.acts_unanswered import LONE, Unanswered, plainly
from daemon.acts_undo import UNDO_S, Undo
from daemon.governor import Governor
from daemon.ledger import Answer, Delegation, Ledger
from daemon.routines.course import Course
from daemon.routines.library import Library, shipped
from daemon.scenes import Scenes
from daemon.sight import Sight
from daemon.turn import Act, Floor, VideoFrame, VoiceState
from daemon.views import Views
from models import grammar

__all__ = ["Acts", "Bookmark", "CancelDelegations", "Delegate", "Earcon", "Effect", "Mute", "Note",
           "Rate", "Report", "Say", "Stop", "Unmute", "Volume"]

HANDLERS: dict[str, Handler] = {
    **acts_sets.HANDLERS, **acts_time.HANDLERS, **acts_voice.HANDLERS,
    **acts_technician.HANDLERS, **acts_company.HANDLERS, **acts_cues.HANDLERS,
    **acts_routine.HANDLERS, **acts_views.HANDLERS, **acts_scenes.HANDLERS,
    **acts_interpret.HANDLERS, **acts_order.HANDLERS,
}
"""Every act but yes, no and never_mind, which `Acts` answers itself."""
CAMERA_BACK: dict[str, tuple[Effect, ...]] = {
    "mute_camera": (Unmute("camera"),), "unmute_camera": (Mute("camera"),),
}
"""How acts on the camera are taken back; after one on the microphone nobody hears a `no`."""
STRANGER = "not meant for tagalong"
"""Why an act in somebody else's talk is left."""
CALLED_S = 0.8
"""After its name tagalong waits so long for the rest before it says "yes?"."""


class Acts:
    """Executor of acts. Used by the step thread only; time comes in as session seconds."""

    def __init__(self, ledger: Ledger, governor: Governor, *, threshold: float = 0.5,
                 unheard_threshold: float = 0.7, library: Library | None = None,
                 key_frames: bool = True,
                 battery: Callable[[], int | None] = acts_company.read_battery) -> None:
        """`threshold`: least confidence to act on; `unheard_threshold`: the same where the words
        heard form no command that confirms it; `library`: routines, None for those shipped;
        `key_frames`: their reports show what was seen; `battery`: charge in percent, or None."""
        self._ledger = ledger
        self._governor = governor
        self._threshold = threshold
        self._unheard_threshold = unheard_threshold
        self._battery = battery
        self._sight = Sight()
        self._views, self._scenes = Views(ledger, self._sight), Scenes(ledger, self._sight)
        self._listening = Listening(ledger)
        self._course = Course(ledger, library or shipped(), self._views, key_frames)
        self._asked = Questions(ledger)
        self._undo: Undo | None = None
        self._hearing = Hearing()
        self._unanswered = Unanswered()
        self._log = LogQueue(ledger)
        self._out = Outlet(ledger, governor).out
        self._called_at_s: float | None = None
        """When the name was said and nothing followed yet."""
        if governor.quiet and not ledger.book.quiet:
            ledger.change(quiet=True)
        governor.quiet = ledger.book.quiet
        warm_up()

    def resumed(self) -> list[Effect]:
        """Once, before the first micro-turn: voice settings of the ledger, and where the routine
        is that it goes on with."""
        out: list[Effect] = [Volume(self._ledger.book.volume)]
        if self._ledger.book.rate:
            out.append(Rate(self._ledger.book.rate))
        return out + self._out(self._course.resumed(0.0), (), 0.0)

    def see(self, frames: Sequence[VideoFrame], muted: bool) -> None:
        """Frames of this micro-turn, before its act, and whether the camera is muted."""
        self._sight.see(frames, muted)

    def apply(self, act: Act, heard: tuple[str, ...], now_s: float) -> list[Effect]:
        """Carry out an act, or hold it while its words are only the beginning of a command;
        `heard` are the words of the last seconds, newest last.

        Raises:
            ValueError: there is no such act; the network and the grammar are of two versions.
        """
        if act.name not in grammar.ACTS:
            raise ValueError(f"act {act.name!r} is not in models.grammar.ACTS; use weights that "
                             "were trained with this grammar")
        words = self._hearing.free(heard, now_s)
        if not addressed(act, words, self._ledger, now_s):
            return [act_note(act, "ignored", STRANGER)]
        if act.name == grammar.ATTENTION:
            self._called_at_s = now_s
            return []
        self._called_at_s = None
        self._unanswered.answered(now_s)
        self._hearing.drop()
        if self._hearing.repeated(words, now_s):
            return []
        emitted = Held(act, words, now_s, now_s)
        if waits(act, command_words(words), self._threshold):
            self._hearing.hold(emitted)
            return []
        return self._judge(emitted, act, now_s)

    def _judge(self, emitted: Held, act: Act, now_s: float) -> list[Effect]:
        """Do what has become of an act, read it back, ask for what is missing, or leave it."""
        words, at_s = emitted.words, emitted.at_s
        verdict = check(act, command_words(words), self._threshold, self._unheard_threshold)
        # A set makes `stop` meant for tagalong, not the timer that the words turn out to be.
        if (verdict.act.name != emitted.act.name
                and not addressed(verdict.act, words, self._ledger, at_s)):
            return [act_note(verdict.act, "ignored", STRANGER)]
        asked = self._asked.read_back
        if asked is not None and same(asked.act, verdict.act):
            verdict = replace(verdict, decision=Decision.DO)  # said twice is as good as yes
        if verdict.decision is Decision.IGNORE or garbled(verdict, words, self._ledger):
            return [act_note(act, "ignored", verdict.reason)]
        self._hearing.use(words, now_s)
        self._ledger.exchanged(now_s)
        if verdict.decision is Decision.READ_BACK:
            return self._out(self._asked.confirm(verdict, now_s), verdict.words, now_s)
        if verdict.decision is Decision.MISSING:
            return self._out(self._asked.want(verdict, now_s), verdict.words, now_s)
        return self._do(verdict.act, verdict.words, now_s)

    @property
    def holding(self) -> bool:
        """Whether an act waits for the rest of its command."""
        return self._hearing.holding

    @property
    def asking_leave(self) -> bool:
        """Whether a question for the background waits for leave to take something along."""
        return self._asked.leave is not None

    def heard(self, words: tuple[str, ...], now_s: float,
              rivals: tuple[tuple[str, float], ...] = ()) -> list[Effect]:
        """Words of this micro-turn (call it every micro-turn, also without words, after `apply`):
        says what they are a cue for, completes an act that is held, or whose missing value was
        asked for."""
        found = self._out(self._listening.hear(words, now_s, rivals), (), now_s)
        return found + self._completed(words, now_s) + self._left_over(words, now_s)

    def _left_over(self, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """Words after the name, or alone, from which the network made nothing."""
        said = self._unanswered.hear(words, now_s)
        lone = self._unanswered.lone(now_s)
        if lone is not None and not said and not self._hearing.holding:
            act = Act(LONE[lone])
            # a follow-up window is no reason to take a lone word for a command
            return self._plainly(act, lone, now_s) if in_context(act, self._ledger, now_s) else []
        found = plainly(said) if said and not self._hearing.holding else None
        if said is None or found is None:
            return []
        act, read_back = found
        if not read_back:
            return self._plainly(act, said, now_s)
        self._hearing.use(said, now_s)
        self._ledger.exchanged(now_s)
        verdict = Verdict(Decision.READ_BACK, act, "no act of the network", words=said)
        return self._out(self._asked.confirm(verdict, now_s), said, now_s)

    def _plainly(self, act: Act, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """Do what words plainly are."""
        self._hearing.use(words, now_s)
        self._ledger.exchanged(now_s)
        return self._do(act, words, now_s)

    def _completed(self, words: tuple[str, ...], now_s: float) -> list[Effect]:
        if words:
            self._called_at_s = None
        if self._hearing.holding:
            held = self._hearing.completed(words, now_s)
            return self._judge(held, held.settled(), now_s) if held else []
        wanted = self._asked.wanted
        if wanted is None or now_s <= wanted.asked_at_s:
            return []
        act = wanted.hear(words)
        return [] if act is None else self._do(act, wanted.words + wanted.answer, now_s)

    def counted(self, n: int, now_s: float) -> list[Effect]:
        """n repetitions were completed in this micro-turn."""
        ledger = self._ledger
        running = ledger.counted(n)
        if running is None:
            return []
        ledger.change(running=replace(running, announced=running.count))
        number, cause = phrases.number(running.count), f"count:{running.exercise}"
        out: list[Effect] = [
            Note("count", None, {"count": running.count, "item": running.exercise})]
        if running.target is None or running.count < running.target:
            out.append(Say(number, "count", cause, latest_wins="count"))
        else:
            ledger.finish(now_s)
            out.append(Say(f"{number}, done", "reminder", cause, latest_wins="count"))
        return self._out(out, (), now_s)

    def tick(self, now_s: float, floor: Floor, wearer_speaking: bool = False) -> list[Effect]:
        """Once every micro-turn, last: what is due, what may be released, what has expired."""
        ledger, asked = self._ledger, floor is Floor.SPEAK
        called: list[Effect] = []
        if self._called_at_s is not None and now_s - self._called_at_s >= CALLED_S:
            self._called_at_s = None
            ledger.exchanged(now_s)
            called = self._do(Act(grammar.ATTENTION), (), now_s)
        if floor is Floor.YIELD and ledger.voice is not VoiceState.SILENT:
            ledger.yielded_at_s = now_s
        out: list[Effect] = [timer_note(f"t{t.id}", t.text, "due", t.due_at_s)
                             for t in ledger.tick(now_s)]
        out += acts_due.beats(ledger, now_s) + self._course.tick(now_s, wearer_speaking)
        out += self._views.tick(now_s, wearer_speaking) + self._scenes.tick()
        timers = acts_due.release_timers(ledger, now_s, asked)
        out += self._asked.expire(now_s) + self._log.due(now_s)
        out = self._out(out + timers, (), now_s, wearer_speaking)
        if not timers:
            answer = acts_due.next_answer(ledger, now_s, asked, wearer_speaking)
            out += self._speak(answer, now_s) if answer else []
        return called + out

    def ask_leave(self, effect: Delegate, things: Sequence[str], now_s: float) -> list[Effect]:
        """These things may go with a question only if the wearer says yes; then, or when they do
        not, the `Delegate` comes again."""
        return self._out(self._asked.ask_leave(effect, things, now_s), effect.words, now_s)

    def delegated(self, effect: Delegate, id: str, now_s: float) -> list[Effect]:
        """A `Delegate` was handed to the link and got this id; returns its filler, if any."""
        one = Delegation(id, effect.kind, tuple(effect.words), now_s, effect.silent)
        self._ledger.change(delegations=(*self._ledger.book.delegations, one))
        if not effect.filler:
            return []
        filler = Say(effect.filler, cause=f"delegation:{id}", after=id)
        return self._out([filler], effect.words, now_s)

    def answer_ready(self, id: str, sentences: Sequence[str], placement: str,
                     now_s: float, first: int = 0) -> list[Effect]:
        """A final answer (or a spoken expiry) came. placement: silent, when_idle, interrupt.

        It waits for `tick` to release it; a silent one is only noted. An id that is not known
        here is spoken too: a crash may have cost the ledger what the outbox still promises.
        `first` is the number of the first sentence, where those before it were heard already.
        """
        ledger = self._ledger
        asked = next((d for d in ledger.book.delegations if d.id == id), None)
        ledger.change(delegations=tuple(d for d in ledger.book.delegations if d.id != id))
        silent = placement == "silent" or not sentences or (asked is not None and asked.silent)
        if not silent:
            words = asked.words if asked is not None else ()
            ledger.answers += (Answer(id, tuple(sentences), placement, now_s, words, first),)
        data = {"id": id, "status": "final", "placement": "silent" if silent else placement}
        return [Note("answer", " ".join(sentences), data)]

    def notice(self, text: str, name: str, now_s: float,
               wearer_speaking: bool = False) -> list[Effect]:
        """Something unasked of the session's own (link lost, camera gone): the governor decides.
        `name` as in `governor.SAFETY` for those that it never holds back."""
        say = Say(text, "note", f"notice:{name}", unasked=True)
        return self._out([say], (), now_s, wearer_speaking)

    def _do(self, act: Act, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """Carry out an act that has been checked."""
        if act.name == "yes":
            return self._yes(act, now_s)
        if act.name in ("no", "never_mind"):
            return self._no(act, words, now_s)
        left = self._asked.drop()
        before = self._ledger.book
        desk = self._desk(act, words, now_s)
        effects = HANDLERS[act.name](desk, act.slots)
        after, back = self._ledger.book, CAMERA_BACK.get(act.name, ())
        if back or acts_undo.changed(before, after):
            self._undo = Undo(before, after, now_s, back)
        self._governor.quiet = after.quiet
        note = act_note(act, "done") if effects else act_note(act, "ignored", "nothing to do")
        return [note, *left, *self._out(self._log.hold_back(effects, now_s), words, now_s)]

    def _desk(self, act: Act, words: tuple[str, ...], now_s: float) -> Desk:
        return Desk(act.name, self._ledger, now_s, words, self._battery, self._course)

    def _yes(self, act: Act, now_s: float) -> list[Effect]:
        asked = self._asked.read_back
        if self._asked.leave is not None:
            return [act_note(act, "done"), *self._asked.granted()]
        if asked is None:
            return [act_note(act, "ignored", "nothing was asked")]
        return [act_note(act, "done"), *self._do(asked.act, asked.words, now_s)]

    def _no(self, act: Act, words: tuple[str, ...], now_s: float) -> list[Effect]:
        """Drop what is asked; else withdraw what was asked of the background (`never_mind`) or
        fall silent; else take back the last act."""
        desk = self._desk(act, words, now_s)
        if self._asked.leave is not None and act.name == "no":
            effects = self._asked.drop()
        elif self._asked.open:
            self._asked.forget()
            effects = desk.replies(phrases.NOT_DONE)
        elif act.name == "never_mind":
            effects = self._never_mind(desk)
        else:
            effects = self._take_back(now_s) or desk.replies(phrases.NOTHING_TO_UNDO)
        undone = any(isinstance(e, Say) and e.text == phrases.UNDONE for e in effects)
        note = act_note(act, "undone" if undone else "done")
        return [note, *self._out(effects, words, now_s)]

    def _never_mind(self, desk: Desk) -> list[Effect]:
        """Stop talking, and forget what was asked; else take back the last act."""
        effects: list[Effect] = [Stop()] if self._ledger.spoken_over(desk.now_s) else []
        self._log.drop()
        dropped = acts_voice.drop_requests(desk)
        if effects or dropped:
            return effects + dropped
        return self._take_back(desk.now_s) or desk.replies("okay")

    def _take_back(self, now_s: float) -> list[Effect]:
        """Undo the last act; empty when there is nothing to undo."""
        undo, self._undo = self._undo, None
        if undo is None or now_s - undo.at_s > UNDO_S:
            return []
        now = self._ledger.book
        then = acts_undo.reverted(undo, now)
        effects = acts_undo.effects(undo, now, then)
        if then == now and not effects:
            return []
        self._ledger.change(**{name: getattr(then, name) for name in then.__dataclass_fields__})
        self._governor.quiet = then.quiet
        effects += self._course.mended(now_s, then.routine != now.routine)
        return [Say(phrases.UNDONE, cause="act:no"), *effects]

    def _speak(self, answer: Answer, now_s: float) -> list[Effect]:
        """Release an answer; `say_again` then repeats all of it."""
        out = self._out(acts_due.sentences(answer), answer.words, now_s)
        said = self._ledger.said
        if said is not None:
            self._ledger.said = replace(said, text=" ".join(answer.sentences))
        return out
