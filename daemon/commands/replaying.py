"""`tagalong replay FILE`: a recording through the network again, and the first difference."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from daemon.commands.shared import FAILED, configuration, state_dir
from daemon.config import ConfigError, load_config
from daemon.engines import NAMES, WEIGHTS
from daemon.engines.base import EngineMismatch
from daemon.options import check_readable
from daemon.record import RecordingError, metadata
from daemon.record import replay as run_again
from daemon.turn import Floor, MicroTurn, Reply, Slots

HASH_DIGITS = 12
"""Of the SHA-256 that a recording names its weights by (`daemon.wiring`)."""


@dataclass(frozen=True)
class Setup:
    """What a recording is replayed with."""

    engine: str
    weights: Path
    threads: int
    notes: tuple[str, ...]
    """What differs from the recording, a sentence each."""


def replay(arguments: argparse.Namespace) -> int:
    """Print words, acts and counts as they come now, then the first difference.

    With `--assert` a difference gives 1. A file that cannot be replayed gives 2.
    """
    if arguments.speed is not None and not arguments.speed > 0:
        raise ConfigError(f"--speed {arguments.speed:g}: must be a number above 0")
    check_readable("replay", arguments.file)
    try:
        found = _compare(arguments)
    except (OSError, RecordingError) as error:
        raise ConfigError(f"replay {error}; next: tagalong run --record FILE.mcap") from error
    except EngineMismatch as error:
        raise ConfigError(f"replay {arguments.file}: {error}") from error
    return FAILED if found and vars(arguments)["assert"] else 0


def _compare(arguments: argparse.Namespace) -> bool:
    """Whether a difference was found and printed."""
    from daemon.interaction import InteractionModel

    facts = metadata(arguments.file)
    shown = (f"{key} {value}" for key, value in facts.items() if key != "config")
    print("recorded with:", ", ".join(shown))
    setup = choose_setup(facts, arguments.engine, arguments.config)
    own = configuration(arguments)
    model = InteractionModel.open(setup.engine, setup.weights, setup.threads, state_dir(own),
                                  own.engine.precision)
    for note in setup.notes:
        print(f"tagalong replay: {note}", file=sys.stderr)
    found = run_again(arguments.file, model, arguments.speed, show=_show)
    print(f"first difference: {found}" if found else "no difference")
    return found is not None


def choose_setup(facts: Mapping[str, str], engine: str | None, config: Path | None) -> Setup:
    """Engine and weights of the recording, unless flags name others.

    Args:
        facts: the recording's metadata.
        engine: of the command line; None for the recording's.
        config: TOML file of the command line; None for the recording's own configuration.

    Raises:
        ConfigError: the TOML file cannot be used.
    """
    if config is not None:
        section = load_config(config).engine.model_dump()
    else:
        section = json.loads(facts.get("config", "{}")).get("engine", {})
    notes = []
    weights = Path(section.get("weights") or WEIGHTS)
    if config is None and not weights.is_file():
        notes.append(f"{weights}: the recording's weights are not here, the bundled ones are used")
        weights = WEIGHTS
    made_on = facts.get("engine", "")
    chosen = engine or (made_on if made_on in NAMES else "auto")
    if chosen not in ("auto", made_on):
        notes.append(f"recorded on engine {made_on}, replayed on {chosen}: the last digits differ")
    now, then = weights_hash(weights), facts.get("weights", "none")
    if now != then:
        notes.append(f"the weights differ: recorded with {then}, replayed with {now} ({weights}). "
                     "Differences are to be expected; next: name the recorded weights in "
                     "engine.weights of a TOML file and add --config FILE")  # fmt: skip
    return Setup(chosen, weights, int(section.get("threads", 1)), tuple(notes))


def weights_hash(step: Path) -> str:
    """As recordings name them; `none` where there is no file."""
    data = step.with_suffix(".bin")
    if not data.is_file():
        return "none"
    return hashlib.sha256(data.read_bytes()).hexdigest()[:HASH_DIGITS]


def _show(turn: MicroTurn, reply: Reply) -> None:
    parts = [f"heard {' '.join(reply.heard)}"] if reply.heard else []
    parts += [f"act {reply.act.name} {_given(reply.act.slots)}".rstrip()] if reply.act else []
    parts += [f"counted {reply.counted}"] if reply.counted else []
    parts += [reply.floor.name.lower()] if reply.floor is not Floor.KEEP else []
    if parts:
        print(f"{turn.t_s:8.1f} s  {'; '.join(parts)}")


def _given(slots: Slots) -> str:
    pairs = ((slot.name, getattr(slots, slot.name)) for slot in fields(slots))
    return " ".join(f"{name}={value}" for name, value in pairs if value is not None)
