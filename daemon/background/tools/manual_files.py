"""Read manuals: Markdown, plain text and PDF become sections, each with where it stands.

Markdown has its headings. In text and PDF a heading is a short line without a full stop that begins
like one, with a number ("3.2 Valves") or a capital letter after the end of a sentence, and behind
which something new begins. A wrapped line can look like that: it is then cited as a section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_FILES, MAX_FILE_BYTES, MAX_PDF_BYTES, MAX_PAGES = 1_000, 4_000_000, 64_000_000, 2_000
HEADING_CHARACTERS, HEADING_WORDS = 60, 8
SUFFIXES = (".md", ".txt", ".pdf")
_NUMBERED = re.compile(r"^\d+(\.\d+)*\.?\s+[A-Z]")
_OPEN_ENDS = (".", "!", "?", ":", ";", ",")


class ManualError(ValueError):
    """A manual or a folder of them that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Section:
    """One section of a manual."""

    manual: str
    heading: str
    sentences: tuple[str, ...]
    page: int | None = None
    """Page on which it begins, from 1; None where the file has no pages."""

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join(self.sentences)

    @property
    def place(self) -> str:
        """Citation: manual, page where there is one, section."""
        page = "" if self.page is None else f", page {self.page}"
        return f"{self.manual}{page}, section {self.heading}"


def manual_files(folder: Path) -> list[Path]:
    """The manuals of a folder in the order of their names; README.md is none.

    Raises:
        ManualError: there is no such folder.
    """
    if not Path(folder).is_dir():
        raise ManualError(f"manuals {folder}: no such folder; name one with --manuals DIR")
    found = [p for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    return sorted(p for p in found if p.name.lower() != "readme.md")[:MAX_FILES]


def read_manual(path: Path) -> list[Section]:
    """Sections of one file.

    Raises:
        ManualError: too large, unreadable, encrypted, or without any text.
    """
    kind = path.suffix.lower()
    largest = MAX_PDF_BYTES if kind == ".pdf" else MAX_FILE_BYTES
    try:
        if path.stat().st_size > largest:
            raise ManualError(f"manual {path}: larger than {largest} bytes; split it")
        if kind == ".pdf":
            sections = parse_pages(_pdf_pages(path), path.stem)
        else:
            text = path.read_text(encoding="utf-8")
            sections = (parse_manual(text, path.stem) if kind == ".md"
                        else parse_text(text, path.stem))
    except (OSError, UnicodeDecodeError) as error:
        raise ManualError(f"manual {path}: {error}; expected readable UTF-8") from None
    if not sections and kind == ".pdf":
        raise ManualError(f"manual {path}: no text in it; if it is scanned, recognise its text "
                          "first (ocrmypdf)")
    return sections


def parse_manual(text: str, name: str) -> list[Section]:
    """Sections of one Markdown text; `name` is its title when it has no line with `# `."""
    title = re.search(r"^# +(.+)$", text, re.MULTILINE)
    manual = title[1].strip() if title else _titled(name)
    sections = []
    for block in re.split(r"^##+ +", text, flags=re.MULTILINE)[1:]:
        heading, _, body = block.partition("\n")
        sentences = sentences_of(body)
        if sentences:
            sections.append(Section(manual, heading.strip(), sentences))
    return sections


def parse_text(text: str, name: str) -> list[Section]:
    """Sections of a plain text."""
    return _sections(_titled(name), [(None, line) for line in text.splitlines()])


def parse_pages(pages: Sequence[str], name: str) -> list[Section]:
    """Sections of a text of several pages."""
    lines = [(number, line) for number, page in enumerate(pages, start=1)
             for line in page.splitlines()]
    return _sections(_titled(name), lines)


def sentences_of(body: str) -> tuple[str, ...]:
    """Sentences and list items of a text."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*•]|\d+\.)\s)", body):
        line = re.sub(r"^\s*(?:[-*•]|\d+\.)\s+", "", " ".join(paragraph.split()))
        found += [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", line) if s]
    return tuple(found)


def _titled(name: str) -> str:
    return name.replace("_", " ").strip()


def _sections(manual: str, lines: Sequence[tuple[int | None, str]]) -> list[Section]:
    sections: list[Section] = []
    for heading, page, body in _blocks(lines):
        sentences = sentences_of(body)
        if sentences:
            sections.append(Section(manual, heading or "Introduction", sentences, page))
    return sections


def _blocks(lines: Sequence[tuple[int | None, str]]) -> Iterator[tuple[str, int | None, str]]:
    """Heading, page and text of each section."""
    heading, start, body = "", None, [""]
    for at, (page, line) in enumerate(lines):
        after = lines[at + 1][1] if at + 1 < len(lines) else ""
        if _is_heading(line.strip(), "\n".join(body).rstrip(), after.strip()):
            yield heading, start, "\n".join(body)
            heading, start, body = _unnumbered(line.strip()), page, []
        else:
            start = page if start is None else start
            body.append(line)
    yield heading, start, "\n".join(body)


def _is_heading(line: str, before: str, after: str) -> bool:
    """Whether a line begins a section, after the text so far and before the next line."""
    if not line or len(line) > HEADING_CHARACTERS or len(line.split()) > HEADING_WORDS:
        return False
    if line.endswith(_OPEN_ENDS) or not any(c.isalpha() for c in line):
        return False
    if after and not after[0].isupper():  # a sentence that goes on, or an item of a list
        return False
    return bool(_NUMBERED.match(line)) or (
        line[0].isupper() and (not before or before.endswith((".", "!", "?"))))


def _unnumbered(heading: str) -> str:
    return re.sub(r"^\d+(\.\d+)*\.?\s+", "", heading)


def _pdf_pages(path: Path) -> list[str]:
    """Text of each page.

    Raises:
        ManualError: not a PDF that can be read.
    """
    from pypdf import PdfReader

    try:
        reader = PdfReader(path)
        if reader.is_encrypted:
            raise ManualError(f"manual {path}: it is encrypted; save it without a password")
        return [page.extract_text() for page in reader.pages[:MAX_PAGES]]
    except ManualError:
        raise
    except Exception as error:  # a damaged PDF fails in any part of the reader
        raise ManualError(f"manual {path}: no PDF that can be read ({type(error).__name__}: "
                          f"{error}); open and save it again") from None
