"""What a session is made of: its parts and its plain settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from daemon.acts import Acts
from daemon.context import Privacy
from daemon.ears import Ears
from daemon.errands import Errands
from daemon.governor import Governor
from daemon.health import Health, Notifier
from daemon.interaction import Model
from daemon.ledger import Ledger, LedgerStore
from daemon.mouth import Mouth
from daemon.senses.camera import Camera
from daemon.senses.speaker import Speaker
from daemon.sensors import Sensors
from daemon.writer import Writer


@dataclass(frozen=True)
class Settings:
    """Plain values of one session."""

    stepped: bool = False
    tail_s: float = 5.0
    """Stepped: longest time past the longest input."""
    deadline_s: float = 30.0
    """Of a delegation."""
    privacy: Privacy = Privacy()
    """What may leave the device with a question."""
    has_microphone: bool = True
    has_camera: bool = True
    reports: Path | None = None
    """Folder of the reports of routines, None: none are written."""


@dataclass
class Parts:
    """Everything that a session is made of."""

    model: Model
    ears: Ears
    camera: Camera
    speaker: Speaker
    mouth: Mouth
    ledger: Ledger
    governor: Governor
    acts: Acts
    errands: Errands
    sensors: Sensors
    writer: Writer
    store: LedgerStore | None = None
    """None: nothing outlives the process."""
    health: Health = field(default_factory=Health)
    notifier: Notifier = field(default_factory=lambda: Notifier(None))
