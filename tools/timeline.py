"""Now `daemon.drawing.timeline`, which `tagalong rehearse` shares."""

from daemon.drawing.timeline import LiveTimeline

__all__ = ["LiveTimeline"]
