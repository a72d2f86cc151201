"""Now `daemon.drawing.picture`, which `tagalong rehearse` shares."""

from daemon.drawing.picture import picture

__all__ = ["picture"]
