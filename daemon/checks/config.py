"""Whether the configuration is valid and what it names is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.checks.base import Result, fail, ok
from daemon.config import Config, ConfigError, load_config
from daemon.routines.library import library


@dataclass(frozen=True)
class Configuration:
    """Reads the file again and looks for every file that it names."""

    path: Path | None
    """None: no file, the defaults."""
    name: str = "config"

    def run(self) -> Result:
        """Validate, then look, then read the wearer's routines."""
        try:
            config = load_config(self.path)
        except ConfigError as error:
            return fail(str(error), f"edit {self.path}")
        for key, named in _named_files(config):
            if not named.exists():
                return fail(f"{key} = {named}: there is no such file", f"edit {self.path}")
        _, problems = library(config.routines.folder)
        if problems:
            return fail(problems[0], "correct that routine")
        return ok(f"{self.path}" if self.path else "no file, the defaults apply")


def _named_files(config: Config) -> list[tuple[str, Path]]:
    """Files that must exist before a run; the light and the button have checks of their own."""
    named = {
        "engine.weights": config.engine.weights,
        "broker.ca_file": config.broker.ca_file,
        "broker.cert_file": config.broker.cert_file,
        "broker.key_file": config.broker.key_file,
        "broker.password_file": config.broker.password_file,
        "background.manuals": config.background.manuals,
        "routines.folder": config.routines.folder,
    }
    return [(key, path) for key, path in named.items() if path is not None]
