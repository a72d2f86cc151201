"""Manuals of three kinds in one index: where an answer stands, what changed, what is unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpdf import FPDF

from daemon.background.reasoner import CONFIDENCE, confidence
from daemon.background.spoken import words_of
from daemon.background.tools.manual_files import ManualError, parse_text, read_manual
from daemon.background.tools.manual_search import ManualIndex, terms_of
from daemon.background.tools.manual_store import ManualStore
from daemon.background.worker import MANUALS

pytestmark = pytest.mark.unit

PAGES = (
    (("1 Safety", "Lock the pump before you open it. Wear gloves."),
     ("2 Impeller", "The impeller nut takes 42 Nm. Replace the seal every 18 months.")),
    (("3 Oil", "Fill in 0.85 litres of ISO VG 68 oil. Change it after 2,000 hours."),),
    (("4 Noise", "A rattling pump has air in the suction line. Bleed it at the top valve."),),
)
TEXT = """Generator

Starting

Turn the fuel tap to ON. Pull the choke out.

Idle speed

The idle speed is 1,350 rpm. Adjust it with the brass screw.
"""
MARKDOWN = "# Lathe\n## Chuck key\nThe chuck key is 9 mm.\n"


def write_pdf(path: Path, pages=PAGES, password: str = "") -> None:
    """A PDF as a word processor would make it."""
    pdf = FPDF()
    if password:
        pdf.set_encryption(owner_password=password, user_password=password)
    for page in pages:
        pdf.add_page()
        for heading, body in page:
            pdf.set_font("Helvetica", "B", 16)
            pdf.cell(0, 12, heading, new_x="LMARGIN", new_y="NEXT")
            pdf.set_font("Helvetica", "", 11)
            pdf.multi_cell(60, 6, body, new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "manuals"
    made.mkdir()
    write_pdf(made / "pump_P30.pdf")
    (made / "generator.txt").write_text(TEXT)
    (made / "lathe.md").write_text(MARKDOWN)
    return made


def _terms(question: str) -> dict[str, float]:
    return dict.fromkeys(terms_of(words_of(question)), 1.0)


def _answer(store: ManualStore, question: str):
    """The answer to a question in writing, None when it is not in the manuals."""
    index = ManualIndex(store.sections, store.candidates)
    hit = index.search(_terms(question))
    if hit is None or confidence(hit) < CONFIDENCE:
        return None
    return index.answer(hit, _terms(question))


@pytest.mark.parametrize(("question", "said", "source"), [
    ("what torque does the impeller nut take", "The impeller nut takes 42 Nm.",
     "pump P30, page 1, section Impeller"),
    ("how much oil do i fill in the pump", "Fill in 0.85 litres of ISO VG 68 oil.",
     "pump P30, page 2, section Oil"),
    ("why is the pump rattling", "A rattling pump has air in the suction line.",
     "pump P30, page 3, section Noise"),
    ("what is the idle speed of the generator", "The idle speed is 1,350 rpm.",
     "generator, section Idle speed"),
    ("which chuck key", "The chuck key is 9 mm.", "Lathe, section Chuck key"),
])
def test_figures_are_those_of_the_passage_and_the_page_is_named(
    folder: Path, question: str, said: str, source: str
) -> None:
    result = _answer(ManualStore(folder), question)
    assert result is not None
    assert result.sentences[0] == said and result.source == source
    assert result.sentences[-1] == f"From {source}."


@pytest.mark.parametrize("question", [
    "what is the warranty period", "who won the football game", "how do i paint a fence",
    "what colour is the battery cable"])
def test_what_is_not_in_them_has_no_answer(folder: Path, question: str) -> None:
    assert _answer(ManualStore(folder), question) is None


def test_only_what_changed_is_read_again(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    first = ManualStore(folder, index)
    assert first.read == ["generator.txt", "lathe.md", "pump_P30.pdf"]
    sections = first.sections
    first.close()
    second = ManualStore(folder, index)
    assert second.read == [] and second.sections == sections
    second.close()
    (folder / "lathe.md").write_text(MARKDOWN.replace("9 mm", "11 mm"))
    (folder / "generator.txt").unlink()
    third = ManualStore(folder, index)
    assert third.read == ["lathe.md"]
    assert _answer(third, "which chuck key").sentences[0] == "The chuck key is 11 mm."
    assert _answer(third, "what is the idle speed of the generator") is None
    third.close()


@pytest.mark.parametrize("harm", ["rubbish", "version"])
def test_a_damaged_or_foreign_index_is_made_anew(folder: Path, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "index.sqlite"
    store = ManualStore(folder, path)
    store._db.execute("PRAGMA user_version=99")
    store.close()
    if harm == "rubbish":
        path.write_bytes(b"no database at all " * 500)
    again = ManualStore(folder, path)
    assert len(again.read) == 3 and len(again.sections) == 7
    again.close()


def test_what_cannot_be_read_is_told_and_the_rest_is_used(folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (folder / "latin.txt").write_bytes(b"Stra\xdfe")
    write_pdf(folder / "secret.pdf", password="x")
    write_pdf(folder / "scanned.pdf", pages=((),))
    store = ManualStore(folder)
    told = " | ".join(store.problems)
    for name, reason in (("broken.pdf", "no PDF"), ("latin.txt", "UTF-8"),
                         ("secret.pdf", "encrypted"), ("scanned.pdf", "no text")):
        assert any(name in p and reason in p for p in store.problems), told
    assert len(store.problems) == 4
    assert _answer(store, "which chuck key") is not None


def test_a_folder_of_nothing_but_unreadable_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7")
    with pytest.raises(ManualError, match=r"broken\.pdf.*no PDF"):
        ManualStore(tmp_path)


def test_too_large_a_manual_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("daemon.background.tools.manual_files.MAX_FILE_BYTES", 10)
    (tmp_path / "big.txt").write_text(TEXT)
    with pytest.raises(ManualError, match="split it"):
        read_manual(tmp_path / "big.txt")


def test_the_index_narrows_the_search_and_changes_no_answer() -> None:
    store = ManualStore(MANUALS)
    narrowed, whole = ManualIndex(store.sections, store.candidates), ManualIndex(store.sections)
    asked = [section.heading for section in store.sections]
    asked += [sentence for section in store.sections for sentence in section.sentences[:1]]
    for question in [*asked, "xylophone quartet", "", 'a "quoted" OR (term*'][::3]:
        terms = _terms(question)
        assert narrowed.search(terms) == whole.search(terms), question
    assert len(store.candidates(_terms("bleed a radiator"))) < len(store.sections) / 3


def test_a_line_that_ends_a_sentence_or_goes_on_is_no_heading() -> None:
    sections = parse_text("Valve\nTurn it left\nuntil it stops. Wait:\nThen close it.", "x")
    assert [(s.heading, s.sentences) for s in sections] == [
        ("Valve", ("Turn it left until it stops.", "Wait: Then close it."))]
