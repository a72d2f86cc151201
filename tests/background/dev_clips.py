"""Clips of the development questions, as a session attaches them: unseen and trained voices.

`python -m tests.background.dev_clips [TAKE] [STEP]` prints how the background does on them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.scenarios import talk, voices
from tools.benchmark.items import RATE, levelled, mix

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

QUESTIONS = Path(__file__).with_name("questions_dev.toml")
CLIP_S = 12
"""What a session attaches at most (`audio_s`), seconds."""


@dataclass(frozen=True)
class DevClip:
    """One spoken question."""

    say: str
    section: str
    """Heading; "" when the manuals do not answer it."""
    voice: str
    pcm: np.ndarray
    """int16, 16 kHz."""


def questions() -> list[tuple[str, str]]:
    """(words, heading or "") of all development questions."""
    found = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))
    rows = [(say, heading) for heading, says in found["questions"].items() for say in says]
    return rows + [(say, "") for say in found["unanswered"]]


def _voice(rng: np.random.Generator, take: int) -> str:
    """A tuning voice in even takes, a trained one in odd takes; every fourth one is flite's."""
    recorded = [n for n in voices.speakers(True) if n.startswith("flite")]
    if rng.random() < 0.25:
        return recorded[rng.integers(len(recorded))]
    names = voices.speakers(take % 2 == 1, take % 2 == 0)
    names = [n for n in names if n.startswith("espeak")]
    return names[rng.integers(len(names))]


def _speak(rng: np.random.Generator, words: list[str], voice: str) -> voices.Spoken:
    try:
        return voices.speak(rng, words, True, voice)
    except ValueError:  # flite splits these words otherwise
        return voices.speak(rng, words, True, "espeak:m2")


def clip(say: str, section: str, take: int, number: int) -> DevClip:
    """One take: every fourth has a pause after the name, every fourth talk before it."""
    rng = np.random.default_rng([77, take, number])
    voice = _voice(rng, take)
    spoken = _speak(rng, ["tagalong", *say.split()], voice)
    pcm, parts, at_s = levelled(spoken.pcm, rng.uniform(-28, -18)), [], 1.0
    if number % 4 == 1:
        cut, gap = int(spoken.ends_s[0] * RATE), int(rng.uniform(0.3, 1.2) * RATE)
        pcm = np.concatenate([pcm[:cut], np.zeros(gap, np.float32), pcm[cut:]])
    if number % 4 == 3:
        sentences = talk.sentences(True)
        other = _speak(rng, list(sentences[rng.integers(len(sentences))]), _voice(rng, 1))
        parts.append((at_s, levelled(other.pcm, rng.uniform(-34, -22))))
        at_s += len(other.pcm) / RATE + float(rng.uniform(1.2, 3.0))
    parts.append((at_s, pcm))
    seconds = at_s + len(pcm) / RATE + float(rng.uniform(0.3, 0.9))
    whole = mix(parts, seconds, rng, float(rng.uniform(-75, -50)))
    return DevClip(say, section, spoken.voice, whole[-CLIP_S * RATE :])


def clips(take: int) -> Iterator[DevClip]:
    """All questions, once each."""
    for number, (say, section) in enumerate(questions()):
        yield clip(say, section, take, number)


def main(take: int = 0, step: int = 1) -> None:
    """Print shares of right sections and of confident wrong answers, every `step`-th question."""
    from daemon.background.reasoner import PlainReasoner
    from daemon.background.worker import MANUALS

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        reasoner = PlainReasoner(MANUALS, Path(folder, "log.db"))
        for number, (say, section) in list(enumerate(questions()))[::step]:
            heard = reasoner.transcriber.hear(clip(say, section, take, number).pcm)
            source = reasoner.answer_terms(heard.terms).source
            right = bool(source and section and source.endswith(f"section {section}"))
            rows.append((bool(section), right, bool(source) and not right))
        reasoner.close()
    asked = sum(row[0] for row in rows)
    print(f"right section {100 * sum(row[1] for row in rows) / asked:.0f} % of {asked}")
    print(f"confident wrong {100 * sum(row[2] for row in rows) / len(rows):.0f} % of {len(rows)}")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
