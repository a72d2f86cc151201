"""What the page shows, collected from events: captions, count, open delegations, cards."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from daemon.events import Event

CAPTIONS, CARDS = 20, 8
"""The newest of each are kept."""


class Board:
    """Fed by the writer's thread, read by the page's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captions: deque[dict[str, Any]] = deque(maxlen=CAPTIONS)
        self._cards: deque[dict[str, Any]] = deque(maxlen=CARDS)
        self._open: dict[str, dict[str, Any]] = {}
        self._count: dict[str, Any] | None = None
        self._t_s, self._link, self._ended = 0.0, False, False
        self._take = {
            "heard": self._heard, "say": self._say, "count": self._counted,
            "delegate": self._delegate, "answer": self._answer, "link": self._linked,
            "end": self._end,
        }

    def see(self, event: Event) -> None:
        """A listener of the session's events."""
        with self._lock:
            self._t_s = event.t_s
            take = self._take.get(event.kind)
            if take is not None:
                take(event)

    def state(self) -> dict[str, Any]:
        """All that the page shows, as JSON has it; newest last."""
        with self._lock:
            return {
                "t_s": round(self._t_s, 1), "ended": self._ended, "link": self._link,
                "count": self._count,
                "captions": [dict(c) for c in self._captions],
                "delegations": [dict(d) for d in self._open.values()],
                "cards": list(self._cards),
            }

    def _heard(self, event: Event) -> None:
        last = self._captions[-1] if self._captions else None
        if last is not None and last["who"] == "wearer" and event.t_s - last["t_s"] < 2.0:
            last.update(text=f"{last['text']} {event.text}"[-300:], t_s=event.t_s)
        else:
            self._captions.append({"who": "wearer", "text": event.text, "t_s": event.t_s})

    def _say(self, event: Event) -> None:
        if str(event.data.get("cause", "")).startswith("count:"):
            return  # the number stands beside the captions
        self._captions.append({"who": "tagalong", "text": event.text, "t_s": event.t_s})

    def _counted(self, event: Event) -> None:
        self._count = {"count": event.data.get("count"), "item": event.data.get("item")}

    def _linked(self, event: Event) -> None:
        self._link = bool(event.data.get("up"))

    def _end(self, event: Event) -> None:
        self._ended = True

    def _delegate(self, event: Event) -> None:
        self._open[str(event.data["id"])] = {
            "words": event.text, "status": "asked", "t_s": event.t_s}

    def _answer(self, event: Event) -> None:
        id, status = str(event.data["id"]), str(event.data.get("status"))
        if status in ("accepted", "part"):
            if id in self._open:
                self._open[id]["status"] = status
            return
        asked = self._open.pop(id, None)
        card = event.data.get("card")
        if card is not None:
            self._cards.append({"asked": asked["words"] if asked else "", "card": card,
                                "source": event.data.get("source")})
