"""What the wearer wants to be told of when it happens in view: a light that changes, somebody who
comes in, a needle, motion. The ledger keeps what is watched for; the watchers here begin anew after a
restart. Only while something is watched for does any of this cost time: 3 to 5 ms a picture on one
AVX2 core (sampled).
"""

from __future__ import annotations

from dataclasses import replace

from daemon.acts_effects import Effect, Note, Say
from daemon.changes import halved
from daemon.ledger import Ledger
from daemon.ledger_routine import SceneWatch
from daemon.sight import Sight
from daemon.watchers import Entering, Lamp, Motion, Needle

ENTERED = "someone is coming in"
PASSED = "the needle passed the mark"
MOVED = {"needle": "the needle moved", "start": "it moves", "motion": "start"}
STOPPED = {"stop": "it stopped", "motion": "stop"}


class Scenes:
    """Used by the step thread."""

    def __init__(self, ledger: Ledger, sight: Sight) -> None:
        self._ledger = ledger
        self._sight = sight
        self._watchers: dict[int, Lamp | Entering | Needle | Motion] = {}
        """By the id of the ledger's record."""

    def tick(self) -> list[Effect]:
        """Once a micro-turn: tell at once what has happened, for it was asked for."""
        watches = self._ledger.book.scenes
        if not watches:
            self._watchers.clear()
            return []
        pictures = [halved(f.rgb) for f in self._sight.new_frames]
        out: list[Effect] = []
        for watch in watches:
            watcher = self._watchers.setdefault(watch.id, _watcher(watch))
            for event in filter(None, [watcher.look(p) for p in pictures]):
                out += self._happened(watch, event)
        return out

    def _happened(self, watch: SceneWatch, event: str) -> list[Effect]:
        now = next((w for w in self._ledger.book.scenes if w.id == watch.id), None)
        text = "" if now is None else _told(now, event)
        if now is None or not text:
            return []
        goes_on = now.what == "motion" and event == "start"
        others = tuple(w for w in self._ledger.book.scenes if w.id != watch.id)
        self._ledger.change(scenes=(*others, replace(now, begun=True)) if goes_on else others)
        say = Say(text, "reminder", f"scene:{now.what}", latest_wins=f"scene:{now.id}",
                  interrupt=True, over=True)
        return [say, Note("scene", text, {"id": now.id, "what": now.what, "change": event})]


def _watcher(watch: SceneWatch) -> Lamp | Entering | Needle | Motion:
    if watch.what == "light":
        return Lamp(watch.colour or "red")
    return {"enter": Entering, "mark": Needle}.get(watch.what, Motion)()


def _told(watch: SceneWatch, event: str) -> str:
    """What is said at an event of the watcher; empty where it is not what was asked for."""
    if watch.what == "light":
        return f"it is {event} now"
    if event == "enter":
        return ENTERED
    if event == "pass":
        return PASSED
    if watch.what == "motion" and (event == "stop") is not watch.begun:
        return ""
    return (MOVED if event == "start" else STOPPED).get(watch.what, "")
