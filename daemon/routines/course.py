"""Moves a routine from step to step. Its state is the ledger's; here are only its key frames.

Moves return what is to be said, and effects beside it: the one who moves says it, as a reply to
the wearer or, where a step has ended by itself, in the next pause. Used by the step thread.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from daemon.acts_effects import Effect, Note, Report, Say
from daemon.ledger import EARLY_S, Ledger, Reading, RepSet
from daemon.ledger_routine import DONE_KEPT, RoutineRun, Step, StepDone
from daemon.routines import words
from daemon.routines.language import Routine
from daemon.routines.library import Library
from daemon.views import Views

FRAMES_KEPT = 60
"""Key frames of a routine, 58 kB each."""
Move = tuple[str, list[Effect]]
"""What is to be said, and effects beside it."""


class Course:
    """The routine that runs, if one does."""

    def __init__(self, ledger: Ledger, library: Library, views: Views,
                 key_frames: bool = True) -> None:
        """`key_frames`: keep what is seen at the end of each step for the report."""
        self.library = library
        self.views = views
        self._ledger = ledger
        self._key_frames = key_frames
        self._frames: dict[tuple[int, float], np.ndarray] = {}
        """Step and when it began -> (120, 160, 3) uint8; in memory, while a routine runs."""

    @property
    def run(self) -> RoutineRun | None:
        """The routine that runs."""
        return self._ledger.book.routine

    # -- moved by the wearer ------------------------------------------------------------------

    def start(self, name: str, routine: Routine, now_s: float) -> Move:
        """Begin a routine; none may run."""
        run = RoutineRun(self._ledger.new_id(), name, routine.kind, routine.steps, now_s)
        self._ledger.change(routine=run)
        effects = self._enter(run, 0, now_s, "started")
        run = self._here()
        return f"{words.begun(run)}. {self._announced(run)}", effects

    def advance(self, now_s: float, outcome: str = "done") -> Move:
        """Leave the step, or the rest, for what follows it."""
        run = self._here()
        if run.resting:
            return self._entered(run, run.at, now_s, "begun")
        effects = self._leave(run, now_s, outcome)
        run = self._here()
        if run.last:
            return self._finish(run, now_s, True, effects)
        if run.step.rest_s and outcome == "done":
            effects += self._rest(run, now_s)
        else:
            effects += self._enter(run, run.at + 1, now_s, "begun")
        return self._announced(self._here()), effects

    def back(self, now_s: float) -> Move:
        """Take the step before up again; the first one begins anew."""
        run = self._here()
        if run.at == 0:
            text, effects = self._entered(run, 0, now_s, "back")
            return f"{words.FIRST}: {words.task(run.step)}", effects
        effects = [] if run.resting else self._leave(run, now_s, "back")
        run = self._here()
        effects += self._enter(run, run.at - 1, now_s, "back")
        return self._announced(self._here()), effects

    def stop(self, now_s: float) -> Move:
        """End it before its last step."""
        run = self._here()
        effects = ([self._note(run, "stopped")] if run.resting
                   else self._leave(run, now_s, "stopped"))
        return self._finish(self._here(), now_s, False, effects)

    # -- moves by itself ----------------------------------------------------------------------

    def tick(self, now_s: float, wearer_speaking: bool) -> list[Effect]:
        """Leave a step that has ended by itself, never over the wearer's words."""
        run = self.run
        if run is None:
            self._frames.clear()
            return []
        lead = None if wearer_speaking else self._over(run, now_s)
        if lead is None:
            return []
        text, effects = self.advance(now_s)
        return [_say(run, ". ".join(filter(None, (lead, text)))), *effects]

    def resumed(self, now_s: float) -> list[Effect]:
        """After a restart: the same step goes on. Nobody kept a hold up meanwhile, so a timed
        step begins anew; a rest that ran out is over; a set left open by the end is open again."""
        run = self.run
        if run is None:
            return []
        if run.resting and run.due_at_s is not None and run.due_at_s <= now_s:
            self._enter(run, run.at, now_s, "begun")
        elif not run.resting and run.step.seconds is not None:
            self._change(run, step_at_s=now_s, due_at_s=now_s + run.step.seconds)
        elif run.set_id is not None:
            self._reopen(run, now_s)
        run = self._here()
        return [_say(run, words.resumed(run)), self._note(run, "resumed")]

    def mended(self, now_s: float, moved: bool) -> list[Effect]:
        """After an act was taken back: the wearer hears where they are, if that `moved` them. A
        step whose reading is no more, or whose set runs again, is taken up again."""
        run = self.run
        if run is None:
            return []
        last, effects = run.done[-1] if run.done else None, list[Effect]()
        if last is not None and self._undone(last):
            moved = True
            self._change(run, done=run.done[:-1], at=last.at, resting=False, due_at_s=None,
                         step_at_s=last.began_at_s, set_id=last.set_id)
            effects.append(self._note(self._here(), "back"))
        return [_say(run, words.here(self._here(), now_s)), *effects] if moved else []

    def _undone(self, done: StepDone) -> bool:
        """Whether what a step was left for is no more."""
        book = self._ledger.book
        if done.reading_id is not None:
            return all(one.id != done.reading_id for one in book.readings)
        return done.set_id is not None and book.running is not None and (
            book.running.id == done.set_id)

    def _over(self, run: RoutineRun, now_s: float) -> str | None:
        """The first words of what follows where step or rest has ended by itself, else None."""
        if run.due_at_s is not None:
            if run.due_at_s > now_s + EARLY_S:
                return None
            return words.REST_IS_OVER if run.resting else words.TIME_IS_UP
        if run.set_id is not None:
            return "" if self._ledger.book.running is None else None
        if run.step.reading is not None:
            return "" if self._taken(run) else None
        view = None if run.step.view is None else self.views.find(run.step.view)
        if view is not None and self.views.back(view, (run.id, run.at, run.step_at_s), now_s):
            return words.SEEN
        return None

    # -- the book -----------------------------------------------------------------------------

    def _here(self) -> RoutineRun:
        run = self.run
        assert run is not None, "moves are for a routine that runs"
        return run

    def _change(self, run: RoutineRun, **changes: object) -> None:
        self._ledger.change(routine=replace(run, **changes))  # type: ignore[arg-type]

    def _announced(self, run: RoutineRun) -> str:
        """The step that begins, or the rest before it."""
        view = None if run.resting else run.step.view
        unknown = view is not None and self.views.find(view) is None
        return words.announced(run) + (f". {words.UNSEEN}" if unknown else "")

    def _entered(self, run: RoutineRun, at: int, now_s: float, change: str) -> Move:
        effects = self._enter(run, at, now_s, change)
        return self._announced(self._here()), effects

    def _enter(self, run: RoutineRun, at: int, now_s: float, change: str) -> list[Effect]:
        """Begin a step: its set, its time."""
        step = run.steps[at]
        due_at_s = None if step.seconds is None else now_s + step.seconds
        self._change(run, at=at, resting=False, step_at_s=now_s, due_at_s=due_at_s,
                     set_id=self._begin_set(step, now_s))
        return [self._note(self._here(), change)]

    def _begin_set(self, step: Step, now_s: float) -> int | None:
        if step.reps is None or step.exercise is None:
            return None
        ledger = self._ledger
        ledger.finish(now_s)
        id = ledger.new_id()
        ledger.change(running=RepSet(id, step.exercise, started_at_s=now_s, target=step.reps))
        return id

    def _rest(self, run: RoutineRun, now_s: float) -> list[Effect]:
        self._change(run, at=run.at + 1, resting=True, step_at_s=now_s,
                     due_at_s=now_s + run.step.rest_s, set_id=None)
        return [self._note(self._here(), "resting")]

    def _leave(self, run: RoutineRun, now_s: float, outcome: str) -> list[Effect]:
        """Write down how the step went; its set ends with it."""
        running = self._ledger.book.running
        if running is not None and running.id == run.set_id:
            self._ledger.finish(now_s)
        taken = self._taken(run)
        ended_at_s = now_s if run.due_at_s is None else min(now_s, run.due_at_s)
        done = StepDone(run.at, outcome, run.step_at_s, ended_at_s, run.set_id,
                        self._count(run.set_id), taken.id if taken else None)
        self._change(run, done=(*run.done, done)[-DONE_KEPT:], set_id=None, due_at_s=None)
        return [self._note(run, outcome, done), *self._look(run, outcome, now_s)]

    def _look(self, run: RoutineRun, outcome: str, now_s: float) -> list[Effect]:
        """Keep what is seen at the end of a step, as far as the wearer wants it."""
        frame = self.views.sight.frame(now_s)
        if frame is not None and self._key_frames and len(self._frames) < FRAMES_KEPT:
            self._frames[run.at, run.step_at_s] = frame.rgb
        if run.step.remember is None or outcome != "done":
            return []
        return self.views.remember(run.step.remember, now_s)

    def _finish(self, run: RoutineRun, now_s: float, completed: bool,
                effects: list[Effect]) -> Move:
        """End it: a summary to be said, a report to be written."""
        # A count may have been corrected since the step was left.
        run = replace(run, done=tuple(
            replace(one, count=self._count(one.set_id) or one.count) for one in run.done))
        self._ledger.change(routine=None)
        frames = {n: self._frames[key] for n, one in enumerate(run.done)
                  if (key := (one.at, one.began_at_s)) in self._frames}
        report = Report(run, self._ledger.book.readings, now_s, completed, frames)
        if completed:
            effects = [*effects, self._note(run, "finished")]
        return words.summary(run, now_s, completed), [*effects, report]

    def _reopen(self, run: RoutineRun, now_s: float) -> None:
        """The set of the step, which the end of the process has finished, goes on."""
        book, step = self._ledger.book, run.step
        ended = next((s for s in book.finished if s.id == run.set_id), None)
        if book.running is not None or (
                ended is not None and step.reps is not None and ended.count >= step.reps):
            return
        if ended is None or ended.logged:
            self._change(run, set_id=self._begin_set(step, now_s))
            return
        self._ledger.change(running=replace(ended, ended_at_s=None),
                            finished=tuple(s for s in book.finished if s != ended))

    def _count(self, set_id: int | None) -> int:
        """Repetitions of a set, 0 where it is no longer known."""
        book = self._ledger.book
        return next((s.count for s in (*book.finished, book.running)
                     if s is not None and s.id == set_id), 0)

    def _taken(self, run: RoutineRun) -> Reading | None:
        """The reading that the step waits for, once it was taken."""
        return next((r for r in reversed(self._ledger.book.readings)
                     if r.item == run.step.reading and r.at_s >= run.step_at_s), None)

    def _note(self, run: RoutineRun, change: str, done: StepDone | None = None) -> Note:
        data = {"routine": run.name, "step": run.at + 1, "steps": len(run.steps),
                "change": change}
        if done is not None and done.set_id is not None:
            data["count"] = done.count
        return Note("step", words.task(run.step), data)


def _say(run: RoutineRun, text: str) -> Say:
    return Say(text, "reminder", f"routine:{run.name}")
