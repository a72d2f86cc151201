"""Cards: what an answer shows where there is a display. Declarative and open; nothing that a model
wrote is ever run.

A card is JSON: a title and up to twelve parts, each with a `type`:

| `type`     | fields                                                                         |
|------------|--------------------------------------------------------------------------------|
| `text`     | `text`: plain text, line breaks kept                                           |
| `list`     | `items`: lines of plain text                                                   |
| `table`    | `columns`: headings; `rows`: lists of cells, as many as there are columns       |
| `image`    | `media`: image/jpeg or image/png; `data`: base64; `alt`: what is on it          |
| `progress` | `label`; `done` of `total`                                                     |
| `chart`    | `labels` and `values`, equally many; `unit`; drawn as bars from zero            |

All text is text: a page shows it as it is, markup included.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_CARD_BYTES = 12_288
"""As JSON; an answer holds 16,384."""

Line = Annotated[str, StringConstraints(max_length=200)]
_SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


class Part(BaseModel):
    """What every part has."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TextPart(Part):
    """A paragraph."""

    type: Literal["text"] = "text"
    text: Annotated[str, StringConstraints(max_length=2_000)]


class ListPart(Part):
    """Lines."""

    type: Literal["list"] = "list"
    items: tuple[Line, ...] = Field(min_length=1, max_length=30)


class TablePart(Part):
    """Cells."""

    type: Literal["table"] = "table"
    columns: tuple[Line, ...] = Field(min_length=1, max_length=6)
    rows: tuple[tuple[Line, ...], ...] = Field(max_length=30)

    @model_validator(mode="after")
    def _fits(self) -> TablePart:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("every row has as many cells as there are columns")
        return self


class ImagePart(Part):
    """A small picture."""

    type: Literal["image"] = "image"
    media: Literal["image/jpeg", "image/png"]
    data: Annotated[str, StringConstraints(max_length=10_000)]
    alt: Line = ""

    @model_validator(mode="after")
    def _is_one(self) -> ImagePart:
        try:
            body = base64.b64decode(self.data, validate=True)
        except binascii.Error:
            raise ValueError("data is not base64") from None
        if not body.startswith(_SIGNATURES[self.media]):
            raise ValueError(f"data is no {self.media}")
        return self


class ProgressPart(Part):
    """How much of something is done."""

    type: Literal["progress"] = "progress"
    label: Line = ""
    done: float = Field(ge=0)
    total: float = Field(gt=0)


class ChartPart(Part):
    """Bars."""

    type: Literal["chart"] = "chart"
    labels: tuple[Line, ...] = Field(min_length=1, max_length=31)
    values: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1, max_length=31)
    unit: Line = ""

    @model_validator(mode="after")
    def _fits(self) -> ChartPart:
        if len(self.labels) != len(self.values):
            raise ValueError("as many labels as values")
        return self


AnyPart = Annotated[TextPart | ListPart | TablePart | ImagePart | ProgressPart | ChartPart,
                    Field(discriminator="type")]


class Card(BaseModel):
    """What an answer shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Line
    parts: tuple[AnyPart, ...] = Field(default=(), max_length=12)

    @model_validator(mode="after")
    def _small(self) -> Card:
        size = len(self.model_dump_json().encode())
        if size > MAX_CARD_BYTES:
            raise ValueError(f"{size} bytes, at most {MAX_CARD_BYTES}")
        return self
