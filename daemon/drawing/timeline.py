"""A session as it happens, in the terminal: heard, said, counts, delegations, step time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daemon.drawing.story import BLUE, GREY, ORANGE, PHRASE_GAP_S, RED, TEAL, VIOLET, label
from daemon.events import Event

ROWS = 20
"""Lines of history on the screen; older ones scroll away."""
ROW_NAMES = {"heard": ("heard", TEAL), "say": ("says", ORANGE), "count": ("counts", VIOLET),
             "delegate": ("asks", BLUE), "answer": ("answer", BLUE), "yield": ("stops", RED),
             "duck": ("ducks", GREY), "error": ("error", RED), "shed": ("dropped", RED),
             "mute": ("mute", RED), "act": ("does", BLUE), "timer": ("timer", GREY),
             "step": ("step", VIOLET), "view": ("view", GREY), "report": ("report", GREY),
             "withheld": ("withheld", GREY), "link": ("link", GREY), "end": ("end", GREY)}
"""Kinds that get a line, its name and colour."""


@dataclass
class Row:
    """One line of the timeline."""

    t_s: float
    name: str
    colour: str
    text: str


def rows(events: Iterable[Event]) -> list[Row]:
    """The lines of a session; words that follow each other share one."""
    found: list[Row] = []
    for event in events:
        if event.kind in ROW_NAMES and not _continues(found[-1] if found else None, event):
            found.append(_row(event))
    return found


def _row(event: Event) -> Row:
    name, tint = ROW_NAMES[event.kind]
    return Row(event.t_s, name, tint, _words(event))


def _continues(last: Row | None, event: Event) -> bool:
    """Whether the event's words belong to the last line; if so they are added to it."""
    if (event.kind != "heard" or last is None or last.name != ROW_NAMES["heard"][0]
            or event.t_s - last.t_s > PHRASE_GAP_S):
        return False
    last.t_s, last.text = event.t_s, f"{last.text} {event.text}"
    return True


class LiveTimeline:
    """Listener of events that keeps a picture of the session on the terminal.

    Use it as a context manager around the session and give it to the session as a listener; it is
    called from the writer thread. Without a terminal it prints one line an event instead.
    """

    def __init__(self, console: Console | None = None, title: str = "tagalong") -> None:
        self._console = console or Console(highlight=False)
        self._title = title
        self._rows: deque[Row] = deque(maxlen=ROWS)
        self._lock = threading.Lock()
        self._t_s = 0.0
        self._count: int | None = None
        self._open: set[str] = set()
        self._step = ""
        self._live: Live | None = None

    def __enter__(self) -> LiveTimeline:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console,
                              refresh_per_second=8, vertical_overflow="crop")
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._rows:
            self._print(self._rows[-1])

    def __call__(self, event: Event) -> None:
        """Takes one event."""
        with self._lock:
            self._t_s = max(self._t_s, event.t_s)
            self._keep_totals(event)
            if event.kind in ROW_NAMES:
                self._add(event)

    def _keep_totals(self, event: Event) -> None:
        if event.kind == "count":
            self._count = event.data.get("count")
        elif event.kind == "delegate":
            self._open.add(str(event.data.get("id")))
        elif event.kind == "answer" and event.data.get("status") != "accepted":
            self._open.discard(str(event.data.get("id")))
        elif event.kind == "stats":
            self._step = (f"{event.data.get('step_ms', 0):.0f} ms, "
                          f"p95 {event.data.get('step_p95_ms', 0):.0f} ms")

    def _add(self, event: Event) -> None:
        last = self._rows[-1] if self._rows else None
        if _continues(last, event):
            return
        if self._live is None and last is not None:
            self._print(last)
        self._rows.append(_row(event))

    def _print(self, row: Row) -> None:
        self._console.print(line(row), soft_wrap=True)

    def _render(self) -> Group:
        with self._lock:
            lines = [line(row) for row in self._rows]
            facts = Table.grid(padding=(0, 3))
            facts.add_row(Text(self._title, style="bold"), f"{self._t_s:6.1f} s",
                          f"count {'-' if self._count is None else self._count}",
                          f"open questions {len(self._open)}",
                          f"step {self._step or '-'}")
        return Group(facts, Text(""), *lines)


def line(row: Row) -> Text:
    """The line as it is shown, one screen line long."""
    return Text.assemble((f"{row.t_s:7.1f} s  ", "dim"), (f"{row.name:<9}", f"bold {row.colour}"),
                         (row.text, row.colour), overflow="ellipsis", no_wrap=True)


def _words(event: Event) -> str:
    """What a line says of an event, besides its time and name."""
    if event.kind == "say":
        return f"{event.text}   ({event.data.get('cause', '?')})"
    if event.kind == "count":
        return f"{event.data.get('count', '?')} {event.data.get('item') or ''}".rstrip()
    if event.kind == "answer":
        return f"{event.data.get('status', '')}: {event.text or ''}".strip(": ")
    if event.kind == "report":
        return str(event.data.get("path", ""))
    if event.kind in ("act", "timer", "mute", "step", "view"):
        outcome = event.data.get("outcome")
        return label(event) + (f"   ({outcome})" if outcome not in (None, "done") else "")
    return event.text or ""
