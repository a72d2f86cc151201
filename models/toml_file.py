"""Reads the TOML files that people write, and says clearly what is wrong with one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read", "tomllib"]

T = TypeVar("T", bound=BaseModel)


def read(path: Path, kind: type[T], refusal: type[Exception], language: str) -> T:
    """A file as a model; `language`: where it is described.

    Raises:
        refusal: names the file, the key, its value and what was expected.
    """
    try:
        return kind(**tomllib.loads(Path(path).read_text("utf-8")))
    except OSError as error:
        raise refusal(f"{path}: cannot be read ({error.strerror}); next: check the path"
                      ) from error
    except UnicodeDecodeError as error:
        raise refusal(f"{path}: is no text in UTF-8 ({error.reason}); next: save it as "
                      "UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise refusal(f"{path}: is no TOML ({error}); next: mend that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise refusal(f"{path}: {_complaint(first)}; next: see {language} for the language"
                      ) from error


def _complaint(error: Mapping[str, Any]) -> str:
    """`say.0.at_s = -1: it should be greater than ...` from one of pydantic's errors."""
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "extra_forbidden":
        return f"{where} = {error['input']!r}: there is no such key"
    if error["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where} = {error['input']!r}: {message}"
