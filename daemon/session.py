"""The session: gather -> step -> act, once every 200 ms. The only file that knows the order.

One loop for both clocks. On a device's clock the microphone sets the pace and the voice, the disk
and the network have threads of their own; on a stepped clock sound is made in line and answers
are waited for, so that the same input gives the same events.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from daemon import acts_effects as fx
from daemon.context import Context
from daemon.errands import News
from daemon.events import Event
from daemon.mouth import Played
from daemon.parts import Parts, Settings
from daemon.routines.reporter import Reporter
from daemon.talk import Talk
from daemon.turn import SAMPLE_RATE, TURN_S, Floor, MicroTurn, Reply, VoiceState
from daemon.watch import Watch

RECENT_S = 9.0
"""Words heard in this time are what an act is checked against."""
BEGUN_S = TALKING_S = 1.0
"""The wearer counts as speaking for so long after somebody was heard to begin, and after a word."""
MAX_WAITING_TURNS = 5
"""Micro-turns that are worked off back to back; older ones are given up."""
DRAIN_S = 1.2
"""Silence after the last input in which a last command is still understood."""
REPORT_TURNS = 50
"""Micro-turns between two looks at what was shed and how long steps took."""
HEARD_ERRORS = frozenset(("microphone", "camera", "mute", "acts"))
"""Errors with a sound: a sensor is gone, a mute was refused or did not happen, an act failed."""
ALARM_GAP_S = 30.0
"""Least time between two sounds of an error."""
FAILED = "failed"
"""Reason of an end that is not clean."""


class Session:
    """Runs the loop; one thread, the step thread, calls it."""

    def __init__(self, parts: Parts, settings: Settings = Settings(),
                 wall_s: Callable[[], float] = time.perf_counter, *,
                 ends: bool | None = None) -> None:
        """`ends`: its inputs come to an end and the session with them; None: on a stepped clock."""
        self.parts = parts
        self.settings = settings
        self._context = Context(settings.privacy, parts.ears.last, parts.ledger.lines)
        self.index = 0
        """Number of the next micro-turn."""
        self._wall_s = wall_s
        self._ends = settings.stepped if ends is None else ends
        self.now_s = 0.0
        """Session clock at the end of the last micro-turn, seconds."""
        self._voice = VoiceState.SILENT
        self._spoke_s: float | None = None
        self._talk = Talk(parts.mouth, self.emit, lambda: parts.acts.holding)
        self._began_s = -BEGUN_S
        self._words: deque[tuple[float, str]] = deque(maxlen=64)
        self._mutes: deque[fx.Mute] = deque(maxlen=8)
        self._unsettled: set[str] = set()
        self._reporter = Reporter(settings.reports, parts.ledger.wall, self)
        self._sounds: deque[Played] = deque()
        """Sounds whose end lies ahead: a stepped loudspeaker renders before the ear hears."""
        self._saved_revision = -1
        self._next_alarm_s = 0.0
        self._ended_s: float | None = None
        self._watch = Watch(parts, self)
        self._do_effect: dict[type, Callable[[Any], None]] = {
            fx.Say: self._say, fx.Stop: lambda _: self._talk.stop(), fx.Delegate: self._delegate,
            fx.CancelDelegations: self._cancel, fx.Mute: self._mutes.append,
            fx.Unmute: self._unmute, fx.Volume: self._volume, fx.Rate: self._rate,
            fx.Earcon: lambda effect: self.parts.mouth.earcon(effect.name),
            fx.Bookmark: lambda _: None,  # the micro-turn's act marks the moment in a recording
            fx.Report: self._reporter.write,
            fx.Note: lambda note: self.emit(note.kind, note.text, **note.data),
        }

    # -- the order of things ------------------------------------------------------------------

    def turn(self) -> None:
        """One micro-turn: gather, step, act."""
        late = self._catch_up()
        self.parts.ears.wait()
        began_s = self._wall_s()
        turn = self._gather(late)
        reply = self.parts.model.step(turn)
        self.parts.writer.turn(turn, reply)
        self._act(turn, reply)
        self._sound()
        self._keep()
        self.index += 1
        self.parts.health.step(self._wall_s() - began_s)
        self.parts.notifier.turn_finished(turn.index)

    def _catch_up(self) -> bool:
        """Give up the oldest micro-turns beyond five; whether this one is late."""
        microphone = self.parts.ears.microphone
        behind = microphone.behind
        while behind > MAX_WAITING_TURNS:
            self.parts.ears.wait()
            self.parts.speaker.played()
            self.index += 1
            self.parts.health.dropped_turns += 1
            behind -= 1
        return behind > 0

    def _gather(self, late: bool) -> MicroTurn:
        parts, start_s = self.parts, self.index * TURN_S
        self.now_s = start_s + TURN_S
        sound = parts.ears.listen(parts.speaker.played())
        frames = tuple(parts.camera.frames(self.now_s))
        if late and frames:
            parts.health.dropped_frames += len(frames)
            frames = ()
        muted = parts.sensors
        if self._voice is not VoiceState.SILENT:
            self._spoke_s = self.now_s
        state = parts.ledger.state(
            start_s, self._voice,
            since_spoke_s=None if self._spoke_s is None else max(start_s - self._spoke_s, 0.0),
            withheld=parts.governor.withheld(start_s),
            microphone_muted=muted.microphone_muted, camera_muted=muted.camera_muted)
        return MicroTurn(self.index, sound, frames, state)

    def _act(self, turn: MicroTurn, reply: Reply) -> None:
        acts, now_s = self.parts.acts, self.now_s
        acts.see(turn.frames, turn.state.camera_muted)
        self._context.see(turn.frames, turn.state.camera_muted)
        self._hear(reply.heard)
        self._talk.follow(reply.floor, self._words, now_s)
        if reply.act is not None:
            act = reply.act
            self._do(lambda: acts.apply(act, self._recent(), now_s))
        self._do(lambda: acts.heard(reply.heard, now_s, reply.rivals))
        if reply.counted:
            self._do(lambda: acts.counted(reply.counted, now_s))
        for news in self.parts.errands.poll(now_s):
            self._news(news)
        self._watch.look(now_s)
        self._reporter.look()
        self._do(lambda: acts.tick(now_s, reply.floor, self._wearer_speaking(reply)))
        self._mute_when_confirmed()

    def _sound(self) -> None:
        """What was decided becomes sound; what has sounded becomes events."""
        parts = self.parts
        if self.settings.stepped:
            parts.mouth.fill()
        self._voice = parts.mouth.state()
        parts.speaker.advance()
        self._sounds.extend(parts.mouth.played())
        while self._sounds and self._sounds[0].span.end_sample <= self.now_s * SAMPLE_RATE + 1:
            self._played(self._sounds.popleft())
        for problem in parts.mouth.playback.problems():
            self.error("voice", problem)
        for id in [i for i in self._unsettled if self._is_over(i)]:
            self._unsettled.discard(id)
            parts.errands.link.settle(id)

    def _keep(self) -> None:
        """The ledger's newest snapshot goes to the writer; now and then what was shed is told."""
        parts, ledger = self.parts, self.parts.ledger
        if parts.store is not None and ledger.revision != self._saved_revision:
            self._saved_revision = ledger.revision
            snapshot, store = ledger.snapshot(), parts.store
            parts.writer.job(lambda: store.save(snapshot))
        if self.index % REPORT_TURNS == REPORT_TURNS - 1:
            self._watch.report()

    # -- beginning and end --------------------------------------------------------------------

    def begin(self, start: dict[str, Any]) -> None:
        """The first event, and the voice as the ledger knows it."""
        self.emit("start", **start)
        self._do(self.parts.acts.resumed)

    def run(self, stopping: threading.Event) -> str:
        """Micro-turns until the input has ended and speech has drained, or somebody stops it;
        says why it ended."""
        while not stopping.is_set():
            if self._ends and self._drained():
                return "the input has ended"
            self.turn()
        return "stopped"

    def _drained(self) -> bool:
        """The input has ended, and nothing more is to be said or it takes longer than `tail_s`."""
        if not self._input_ended():
            return False
        if self._ended_s is None:
            self._ended_s = self.now_s
        since_s = self.now_s - self._ended_s + TURN_S / 2
        return since_s >= self.settings.tail_s or (since_s >= DRAIN_S and self._quiet())

    def _input_ended(self) -> bool:
        """Every input is at its end; a muted camera ends with the microphone."""
        parts, settings = self.parts, self.settings
        heard = not settings.has_microphone or parts.ears.microphone.ended
        blind = settings.has_microphone and parts.sensors.camera_muted
        return heard and (not settings.has_camera or parts.camera.ended or blind)

    def _quiet(self) -> bool:
        """Nothing sounds, and nothing that will sound is under way."""
        parts = self.parts
        waiting = parts.errands.open or parts.ledger.answers or parts.ledger.due() or self._mutes
        waiting = waiting or parts.acts.holding or parts.acts.asking_leave
        return not waiting and parts.speaker.drained

    def finish(self, reason: str) -> None:
        """Last events. `failed` is no clean end: what ran is resumed."""
        parts = self.parts
        parts.writer.flush()  # no device is opened or closed behind this
        if parts.mouth.playback.speaking:
            parts.mouth.flush()
            self._sound()
        while self._sounds:
            self._played(self._sounds.popleft())
        self._watch.report()
        self._reporter.look()
        if reason != FAILED:
            self._close_ledger()
        self.emit("end", reason, turns=self.index, counters=self.totals)

    def _close_ledger(self) -> None:
        """After a clean end no set goes on counting, and of a session over files nothing stays;
        a live one keeps timers, reminders and readings."""
        store, ledger = self.parts.store, self.parts.ledger
        if store is None:
            return
        if self.settings.stepped:
            self.parts.writer.job(store.clear)
            return
        ledger.finish(self.now_s)
        self._keep()

    # -- hearing ------------------------------------------------------------------------------

    def _hear(self, words: tuple[str, ...]) -> None:
        if not words:
            return
        self._words.extend((self.now_s, word) for word in words)
        text = " ".join(words)
        self.emit("heard", text)
        self._context.heard(text)

    def _recent(self) -> tuple[str, ...]:
        return tuple(word for t_s, word in self._words if self.now_s - t_s <= RECENT_S)

    def _wearer_speaking(self, reply: Reply) -> bool:
        talked = bool(self._words) and self.now_s - self._words[-1][0] <= TALKING_S
        if reply.floor in (Floor.DUCK, Floor.YIELD):
            self._began_s = self.now_s
        return talked or self.now_s - self._began_s <= BEGUN_S

    # -- the floor ----------------------------------------------------------------------------

    def _played(self, played: Played) -> None:
        span = played.span
        data = {"start_s": round(span.start_sample / SAMPLE_RATE, 3),
                "end_s": round(span.end_sample / SAMPLE_RATE, 3)}
        if played.say is None:
            self.emit("earcon", span.text, **data)
        else:
            self.emit("spoken", span.text, utterance=span.id, cut=not span.completed, **data)
            if span.completed and played.say.sentence is not None:
                self.parts.errands.link.completed(*played.say.sentence)

    # -- effects ------------------------------------------------------------------------------

    def _do(self, decide: Callable[[], list[fx.Effect]]) -> None:
        """Carry out effects in order; a fault in one act must not end the session."""
        try:
            for effect in decide():
                self._do_effect[type(effect)](effect)
        except Exception as error:  # whatever an act trips over, the wearer's set goes on
            self.error("acts", f"an act failed ({error!r}); the session goes on without it")

    def _say(self, say: fx.Say) -> None:
        if say.cause.startswith("act:"):
            self._talk.answered()
        link = self.parts.errands.link
        number = self.parts.mouth.say(say, link.committed, link.begin)
        self.emit("say", say.text, cause=say.cause, utterance=number, unasked=say.unasked)
        if say.kind != "count":
            self._context.said(say.text)

    def _delegate(self, effect: fx.Delegate) -> None:
        package, asks = self._context.pack(effect, self.now_s)
        if asks:
            self._do(lambda: self.parts.acts.ask_leave(effect, asks, self.now_s))
            return
        deadline_s = self.settings.deadline_s
        id, sent = self.parts.errands.ask(
            effect, self.now_s, deadline_s, clip=package.clip, frames=package.frames,
            conversation=package.conversation)
        self.emit("delegate", " ".join(effect.words), id=id, about=effect.kind,
                  pictures=sent.pictures, lines=sent.lines, audio_s=sent.audio_s,
                  deadline_s=round(self.now_s + deadline_s, 3))
        self._do(lambda: self.parts.acts.delegated(effect, id, self.now_s))

    def _cancel(self, effect: fx.CancelDelegations) -> None:
        for id in effect.ids:
            self.parts.errands.cancel(id)
            self.emit("answer", id=id, status="cancelled")

    def _news(self, news: News) -> None:
        """What became known about a request. A refusal is said at once: nobody works on it."""
        known: dict[str, Any] = {"status": news.status, "placement": news.placement,
                                 "source": news.source}
        if news.latency_s is not None:
            known["latency_s"] = round(news.latency_s, 3)
        if news.card is not None:
            known["card"] = news.card.model_dump(mode="json")
        if not news.ends:
            self.emit("answer", news.text or None, id=news.id, **known)
            return
        refused = news.status == "refused"
        if refused:
            self.parts.mouth.withdraw(news.id)
        self._unsettled.add(news.id)
        self._do(lambda: [_with(effect, known) for effect in self.parts.acts.answer_ready(
            news.id, news.sentences, "interrupt" if refused else news.placement, self.now_s,
            news.first)])

    def _is_over(self, id: str) -> bool:
        """Nothing of this answer waits or sounds any more."""
        waits = any(answer.id == id for answer in self.parts.ledger.answers)
        return not waits and not self.parts.mouth.waits_with(id)

    def _volume(self, effect: fx.Volume) -> None:
        self.parts.mouth.playback.volume = effect.percent

    def _rate(self, effect: fx.Rate) -> None:
        self.parts.mouth.set_rate(self.parts.mouth.rate_steps + effect.delta)

    # -- sensors ------------------------------------------------------------------------------

    def _mute_when_confirmed(self) -> None:
        """A mute waits until its confirmation has been heard, and for nothing said after that."""
        mouth = self.parts.mouth
        while self._mutes and not mouth.waits_with(f"act:mute_{self._mutes[0].what}"):
            effect = self._mutes.popleft()
            self.aside(lambda e=effect: self.parts.sensors.mute(e.what, self.now_s, e.seconds))

    def _unmute(self, effect: fx.Unmute) -> None:
        self.aside(lambda: self.parts.sensors.unmute(effect.what, self.now_s))

    def aside(self, job: Callable[[], None], where: str = "mute") -> None:
        """Devices and the disk are the writer's; a stepped run waits for it."""
        self.parts.writer.job(job, where)
        if self.settings.stepped:
            self.parts.writer.flush()

    @property
    def totals(self) -> dict[str, int]:
        """What was dropped since the start, by the names of the `shed` event."""
        return self._watch.totals()

    # -- events -------------------------------------------------------------------------------

    def emit(self, kind: str, text: str | None = None, **data: Any) -> None:
        """An event of this micro-turn."""
        given = {name: value for name, value in data.items() if value is not None}
        self.parts.writer.event(Event(self.now_s, self.index, kind, text, given))

    def error(self, where: str, text: str) -> None:
        """Something failed and the rest goes on; the wearer hears that it did, where they miss
        something by it and not again and again."""
        self.parts.health.errors += 1
        if where in HEARD_ERRORS and self.now_s >= self._next_alarm_s:
            self._next_alarm_s = self.now_s + ALARM_GAP_S
            self.parts.mouth.earcon("error")
        self.emit("error", text, where=where)

    def notice(self, text: str, name: str) -> None:
        """Something unasked to be said, if the governor allows it."""
        self._do(lambda: self.parts.acts.notice(text, name, self.now_s))


def _with(effect: fx.Effect, known: dict[str, Any]) -> fx.Effect:
    """The note of an answer with what only the session knows about it."""
    if not isinstance(effect, fx.Note) or effect.kind != "answer":
        return effect
    placement = effect.data.get("placement", known["placement"])
    return fx.Note("answer", effect.text, {**effect.data, **known, "placement": placement})
