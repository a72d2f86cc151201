"""The watch: what happened to sensors, devices and link, what was shed, how long steps took.

Each trouble is told once, aloud where that helps, until it is over; the rest goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from daemon.acts_company import POWER_SUPPLY, read_battery
from daemon.parts import Parts
from daemon.remote_mute import RemoteMute
from daemon.sensors import Change

NO_SOUND = "I cannot hear you any more. The microphone is gone."
NO_PICTURE = "I cannot see any more. The camera is gone."
LINK_LOST = "I have lost the connection."
NO_LINK = "I have no connection, so I cannot look things up."
LINK_PATIENCE_S = 5.0
"""A broker that has not answered by then is away."""
THERMAL = Path("/sys/class/thermal")
"""Where Linux lists its temperature sensors."""


class Teller(Protocol):
    """What the watch needs of the session."""

    now_s: float

    def emit(self, kind: str, text: str | None = None, **data: Any) -> None:
        """An event of this micro-turn."""

    def error(self, where: str, text: str) -> None:
        """Something failed and the rest goes on."""

    def notice(self, text: str, name: str) -> None:
        """Something unasked to be said."""

    def aside(self, job: Callable[[], None]) -> None:
        """Work for the writer thread."""


class Watch:
    """Used by the step thread."""

    def __init__(self, parts: Parts, teller: Teller) -> None:
        self._parts = parts
        self._tell = teller
        self._remote = RemoteMute(parts.errands.link, parts.sensors.control)
        self._link_up = self._link_told = False
        self._realigned = 0
        self._changes: deque[Change] = deque()
        """Sensors that were muted or opened, to be told."""
        self._asked = -1
        """`MuteControl.changes` for which was asked already."""
        self._troubles: dict[str, bool] = {}
        self._shed: dict[str, int] = {}

    def look(self, now_s: float) -> None:
        """Once every micro-turn."""
        parts = self._parts
        if parts.sensors.is_due(now_s):
            self._tell.aside(lambda: parts.sensors.due(now_s))
        self._remote_mutes(now_s)
        self._sensors(now_s)
        self._trouble("microphone", parts.ears.microphone.problem, NO_SOUND)
        self._trouble("camera", parts.camera.problem, NO_PICTURE)
        self._trouble("speaker", parts.speaker.problem, "")
        self._link(now_s)
        self._echo()

    def _echo(self) -> None:
        """The canceller learns anew when what was played is placed anew against what is heard."""
        realigned = getattr(self._parts.speaker, "realigned", 0)
        if realigned != self._realigned:
            self._realigned = realigned
            self._parts.ears.forget_room()

    def _remote_mutes(self, now_s: float) -> None:
        remote = self._remote
        for wanted in remote.wanted():
            self._tell.aside(lambda wanted=wanted: remote.apply(wanted, now_s))
        while remote.refused:
            self._tell.error("mute", remote.refused.popleft())
        while remote.problems:
            self._parts.sensors.problems.append(remote.problems.popleft())

    def _ask_sensors(self, now_s: float) -> None:
        """Aside, because the answer waits until the device is open or closed, and its driver may
        take seconds for that."""
        self._remote.tell(now_s)
        self._changes.extend(self._parts.sensors.changes(now_s))

    def _sensors(self, now_s: float) -> None:
        parts = self._parts
        if (changes := parts.sensors.control.changes) != self._asked:
            self._asked = changes
            self._tell.aside(lambda: self._ask_sensors(now_s))
        while self._changes:
            change = self._changes.popleft()
            self._tell.emit("mute", what=change.what, muted=change.muted, by=change.by)
            parts.mouth.earcon("muted" if change.muted else "accepted")
        if parts.sensors.microphone_muted:
            parts.ears.forget()
        while parts.sensors.problems:
            problem = parts.sensors.problems.popleft()
            self._tell.error("mute", problem)
            self._tell.notice(problem, "muted")

    def _trouble(self, what: str, problem: str | None, sentence: str) -> None:
        if (problem is not None) == self._troubles.get(what, False):
            return
        self._troubles[what] = problem is not None
        if problem is not None:
            self._tell.error(what, problem)
            if sentence:
                self._tell.notice(sentence, f"{what}_lost")

    def _link(self, now_s: float) -> None:
        link = self._parts.errands.link
        up = link.connected
        problem = getattr(link, "last_error", "")
        if problem and not up and not self._link_told and now_s >= LINK_PATIENCE_S:
            self._link_told = True
            self._tell.error("link", f"{problem}; questions wait until it is back")
            self._tell.notice(NO_LINK, "link_lost")
        if up == self._link_up:
            return
        self._link_told = True
        self._link_up = up
        self._tell.emit("link", "connected" if up else "connection lost", up=up)
        if not up:
            self._parts.mouth.earcon("link_lost")
            self._tell.notice(LINK_LOST, "link_lost")

    # -- figures ------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """What was dropped since the start, by the names of the `shed` event."""
        parts = self._parts
        written = parts.writer.counters
        return {
            "video": parts.health.dropped_frames + parts.camera.dropped,
            "turns": parts.health.dropped_turns,
            "captions": written.captions_dropped,
            "recording": written.turns_dropped,
            "samples": parts.ears.microphone.lost_samples,
        }

    def report(self) -> None:
        """Tell what was shed since the last report, and how long steps took."""
        for what, total in self.totals().items():
            count = total - self._shed.get(what, 0)
            self._shed[what] = total
            if count > 0:
                self._tell.emit("shed", f"{count} x {what}", what=what, count=count)
        health = self._parts.health
        if health.turns:
            self._tell.emit("stats", step_ms=health.step_ms(50), step_p95_ms=health.step_ms(95),
                            step_max_ms=health.step_ms(100), turns=health.turns)
            self._parts.errands.link.publish_stats({
                "turns": health.turns, "step_p95_ms": health.step_ms(95) or 0.0,
                "late": health.late, **machine_figures(),
                **{f"shed_{k}": v for k, v in self._shed.items()}})


def machine_figures(thermal: Path = THERMAL,
                    power_supply: Path = POWER_SUPPLY) -> dict[str, int | float]:
    """Temperature of the hottest zone in degrees Celsius and charge of the battery in percent, as
    far as the kernel tells; its files are memory, so the step thread may read them."""
    zones: list[float] = []
    for zone in thermal.glob("thermal_zone*/temp"):
        with suppress(OSError, ValueError):  # a zone that is switched off refuses to be read
            zones.append(int(zone.read_text()) / 1000)
    battery = read_battery(power_supply)
    hottest = {"temperature_c": round(max(zones), 1)} if zones else {}
    return hottest if battery is None else {**hottest, "battery_percent": battery}
