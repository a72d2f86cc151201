"""Three manuals, as text, Markdown and PDF, and written questions about them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fpdf import FPDF

from daemon.background.reasoner import PlainReasoner
from daemon.background.wire import Outcome
from daemon.config import tomllib

WRITTEN = Path(__file__).with_name("written")


@dataclass(frozen=True)
class Score:
    """What came of a set of questions."""

    right: int
    """Figure spoken, and the place named."""
    answerable: int
    refused: int
    unanswerable: int
    wrong: tuple[str, ...]
    """What went wrong, a line each."""


def make_manuals(folder: Path) -> Path:
    """The manuals' folder."""
    folder.mkdir()
    for name in ("compressor_K200.txt", "e_bike_T7.md"):
        shutil.copy(WRITTEN / name, folder / name)
    pages = (WRITTEN / "heat_pump_W9.pages").read_text(encoding="utf-8").split("\n=\n")[1:]
    pdf = FPDF()
    for page in pages:
        pdf.add_page()
        for line in page.strip().splitlines():
            if line.startswith("# "):
                pdf.set_font("Helvetica", "B", 16)
                pdf.cell(0, 12, line[2:], new_x="LMARGIN", new_y="NEXT")
            else:
                pdf.set_font("Helvetica", "", 11)
                pdf.multi_cell(90, 6, line, new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(folder / "heat_pump_W9.pdf"))
    return folder


def ask(reasoner: PlainReasoner, file: str) -> Score:
    """All questions of a file of `written`."""
    asked = tomllib.loads((WRITTEN / file).read_text(encoding="utf-8"))
    wrong, right, refused = [], 0, 0
    for one in asked["question"]:
        result = reasoner.answer_words(one["text"])
        said = " ".join(result.sentences)
        if one["figure"] in said and one["source"] in (result.source or ""):
            right += 1
        else:
            wrong.append(f"{one['text']}: {said}")
    for text in asked["unanswered"]:
        result = reasoner.answer_words(text)
        if result.outcome is Outcome.ANSWERED:
            wrong.append(f"{text}: {' '.join(result.sentences)}")
        else:
            refused += 1
    return Score(right, len(asked["question"]), refused, len(asked["unanswered"]), tuple(wrong))
