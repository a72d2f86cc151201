"""A camera that starts muted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daemon.senses.camera import Camera, NoCamera


class LateCamera:
    """A camera that starts muted is not opened, not even for a moment, before it is unmuted."""

    def __init__(self, make: Callable[[], Camera], muted: bool) -> None:
        self._make = make
        self._camera: Camera = NoCamera() if muted else make()
        self._made = not muted

    def set_muted(self, muted: bool) -> None:
        """Close or open the device."""
        if not self._made and not muted:
            self._camera, self._made = self._make(), True
        self._camera.set_muted(muted)

    def frames(self, until_s: float) -> list:
        """See `Camera.frames`."""
        return self._camera.frames(until_s)

    def close(self) -> None:
        """Give everything back."""
        self._camera.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera, name)
