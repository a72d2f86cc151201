"""What is wrong with a value of the configuration: key, value, what is allowed, the nearest key."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import BaseModel


def refusal(problem: Any, model: type[BaseModel]) -> str:
    """One problem of pydantic's as `key = value: what is allowed`."""
    keys = [str(part) for part in problem["loc"]]
    dotted = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        return f"{dotted}: unknown key{_nearest(keys, model)}"
    if len(keys) == 1:
        if problem["type"] == "value_error":
            return f"[{dotted}]: {_reason(problem)}"
        return f"{dotted} = {problem['input']!r}: must be a table, [{dotted}]"
    return f"{dotted} = {problem['input']!r}: must be {_allowed(problem, keys, model)}"


def _nearest(keys: list[str], tree: type[BaseModel]) -> str:
    """Hint at the known key that an unknown one was probably meant to be."""
    section = tree.model_fields.get(keys[0])
    model = section.annotation if section is not None and len(keys) > 1 else tree
    known = list(model.model_fields)  # type: ignore[union-attr]
    prefix = f"{keys[0]}." if len(keys) > 1 else ""
    close = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {prefix}{close[0]}?"
    return f"; known here: {', '.join(known)}"


def _reason(problem: Any) -> str:
    return re.sub(r"^Value error, ", "", problem["msg"])


def _allowed(problem: Any, keys: list[str], tree: type[BaseModel]) -> str:
    """What the field that was refused accepts, from its own declaration."""
    if problem["type"] == "value_error":
        return _reason(problem)
    section: Any = tree.model_fields[keys[0]].annotation
    field = section.model_fields[keys[1]]
    schema = _schema(section, keys[1])
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in schema["enum"])
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(
        schema.get("type", ""), "text"
    )
    if "minimum" in schema:
        return f"{kind} from {schema['minimum']:g} to {schema['maximum']:g}"
    if "pattern" in schema:
        return f"{kind} of small letters, digits, - and _ (at most 32), no sign first"
    return f"{kind} ({field.description.rstrip('.')})" if kind == "text" else kind


def _schema(section: type[BaseModel], key: str) -> dict[str, Any]:
    """JSON schema of one key; of an optional one, the part that is not null."""
    schema: dict[str, Any] = section.model_json_schema()["properties"][key]
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return {**schema, **choice}
    return schema
