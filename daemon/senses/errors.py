"""The two ways in which a sense can fail: what was given is unusable, or the device went away."""

from __future__ import annotations


class BadInput(Exception):
    """Something given by the user cannot be used; the text names it and the next step."""


class DeviceLost(Exception):
    """A device cannot be opened or has vanished; the text names it and the next step."""
