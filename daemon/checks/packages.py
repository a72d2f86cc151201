"""Whether the Python packages that the program uses can be imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from daemon.checks.base import Level, Result, ok


@dataclass(frozen=True)
class Package:
    """One package and what it is good for."""

    module: str
    """What is imported; with several, separated by |, any of them serves."""
    package: str
    """What is installed."""
    lost: str
    """What does not work without it."""
    level: Level = Level.FAIL
    """FAIL: `tagalong run` does not start. WARN: it runs without what is lost."""


USED = (
    Package("numpy", "numpy", "nothing runs"),
    Package("onnxruntime", "onnxruntime", "the network does not run"),
    Package("pydantic", "pydantic", "no configuration is read"),
    Package("rapidfuzz", "rapidfuzz", "no run starts"),
    Package("threadpoolctl", "threadpoolctl", "no run starts"),
    Package("av", "av", "no sound or video file and no stream is read"),
    Package("soxr", "soxr", "no sound of another rate than 16 kHz is read or played"),
    Package("paho.mqtt.client", "paho-mqtt", "no worker is reached"),
    Package("pywebrtc_audio|livekit.rtc.apm", "pywebrtc-audio",
            "it would hear itself, so no run with a microphone and a loudspeaker starts"),
    Package("espeakng_loader", "espeakng-loader",
            "no voice where the system has neither espeak-ng nor flite", Level.WARN),
    Package("pocketsphinx", "pocketsphinx", "open questions are not understood", Level.WARN),
    Package("pint", "pint", "no answer to questions about units", Level.WARN),
    Package("pypdf", "pypdf", "no manual that is a PDF is read", Level.WARN),
    Package("sqlalchemy", "sqlalchemy", "the background worker has no workout log", Level.WARN),
    Package("mcap", "mcap", "no recording and no replay", Level.WARN),
    Package("PIL", "pillow", "no recording, no replay, no picture of a run", Level.WARN),
    Package("rich", "rich", "no tagalong rehearse, no tagalong fdbench", Level.WARN),
)  # fmt: skip
EXTRAS = (
    Package("pyaudio", "device", "sound cards"),
    Package("piper", "voice", "Piper voices"),
    Package("cv2", "scenarios", "tagalong rehearse"),
)
"""What is installed by name only; the checks of devices and voice judge whether it is missed."""


@dataclass(frozen=True)
class Packages:
    """Each package is really imported: one that is installed may still lack its library."""

    used: Sequence[Package] = USED
    extras: Sequence[Package] = EXTRAS
    name: str = "packages"

    def run(self) -> Result:
        """Import them all."""
        problems = {package: _problem(package.module) for package in self.used}
        missing = [package for package, problem in problems.items() if problem]
        if not missing:
            return ok(_all_there(self.used, self.extras))
        worst = Level.FAIL if any(p.level is Level.FAIL for p in missing) else Level.WARN
        cause = "; ".join(f"{p.package} ({problems[p]}): {p.lost}" for p in missing)
        names = " ".join(package.package for package in missing)
        return Result(worst, cause, f"{sys.executable} -m pip install {names}")


def _problem(modules: str) -> str:
    """Why none of the modules can be imported; empty when one can."""
    refused = []
    for module in modules.split("|"):
        try:
            importlib.import_module(module)
            return ""
        except (ImportError, OSError) as error:  # OSError: a shared library of it is missing
            refused.append(str(error))
    return refused[0]


def _all_there(used: Sequence[Package], extras: Sequence[Package]) -> str:
    """The first two by version: they decide about speed and results."""
    found = [f"{package.package} {_version(package.package)}" for package in used[:2]]
    absent = [f"{extra.package} ({extra.lost})" for extra in extras if not find_spec(extra.module)]
    left = f"; extras not installed: {', '.join(absent)}" if absent else ""
    return f"all {len(used)} are there, {', '.join(found)}{left}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of an unknown version"  # put there by hand, for example on a Jetson
