"""Views that the wearer had remembered, and the one that is watched for."""

from __future__ import annotations

from dataclasses import replace

from daemon.acts_effects import Effect, Note, Say
from daemon.ledger import Ledger
from daemon.ledger_routine import VIEWS_KEPT, View, ViewWatch
from daemon.sight import AWAY_S, Lookout, Sight
from kernels.views_ref import packed

AGAIN = "it looks like that again"
UNNAMED = "view"
"""Name of a view that was given none; the next one takes its place."""

Key = tuple[object, ...]
"""What somebody watches for; a new one begins to watch anew."""


class Views:
    """Views are in the ledger; only how long something has been in sight is remembered here."""

    def __init__(self, ledger: Ledger, sight: Sight) -> None:
        self.sight = sight
        self._ledger = ledger
        self._lookouts: dict[str, tuple[Key, Lookout]] = {}
        """Who watches, `wearer` or `routine`, and what for."""

    def find(self, name: str) -> View | None:
        """The view of this name."""
        return next((v for v in self._ledger.book.views if v.name == name), None)

    def remember(self, name: str, now_s: float) -> list[Effect]:
        """Remember what is seen now; empty where nothing is."""
        seen = self.sight.descriptor(now_s)
        if seen is None:
            return []
        others = tuple(v for v in self._ledger.book.views if v.name != name)
        view = View(self._ledger.new_id(), name, packed(seen))
        self._ledger.change(views=(*others, view)[-VIEWS_KEPT:])
        return [_note(view, "remembered")]

    def watch(self) -> list[Effect]:
        """Watch for the view that was remembered last; empty where none was."""
        views = self._ledger.book.views
        if not views:
            return []
        self._ledger.change(watch=ViewWatch(self._ledger.new_id(), views[-1].id))
        return [_note(views[-1], "watching")]

    def back(self, view: View, step: Key, now_s: float) -> bool:
        """Whether the view that a step of a routine waits for is there; once a micro-turn."""
        return self._look("routine", step, view, now_s).seen

    def tick(self, now_s: float, wearer_speaking: bool) -> list[Effect]:
        """Once a micro-turn: tell that the wearer's view is back, in a pause of theirs."""
        watch = self._ledger.book.watch
        if watch is None:
            return []
        view = next((v for v in self._ledger.book.views if v.id == watch.view_id), None)
        if view is None:  # it was taken back, or too many came after it
            self._ledger.change(watch=None)
            return []
        now = self._look("wearer", (watch.id, watch.left), view, now_s)
        if not watch.left and now.away_s >= AWAY_S:
            self._ledger.change(watch=replace(watch, left=True))
            return [_note(view, "left", now.similarity)]
        if not watch.left or not now.seen or wearer_speaking:
            return []
        self._ledger.change(watch=None)
        say = Say(AGAIN, "reminder", f"view:{view.name}")
        return [say, _note(view, "seen", now.similarity)]

    def _look(self, who: str, what: Key, view: View, now_s: float) -> Lookout:
        key = (*what, view.id)
        known, lookout = self._lookouts.get(who, ((), None))
        if lookout is None or known != key:
            lookout = Lookout(view.descriptor)
            self._lookouts[who] = (key, lookout)
        lookout.look(self.sight, now_s)
        return lookout


def _note(view: View, change: str, similarity: float | None = None) -> Note:
    data = {} if similarity is None else {"similarity": round(similarity, 2)}
    return Note("view", view.name, {"change": change, **data})
