"""Errors that pydantic found, in the words of this package: the field, its value, and what it should be.

Owns the wording. Leaves out the exception that each reader raises, and its remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

_EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "dict_type": "a table",
    "mapping_type": "a table",
    "dataclass_type": "a table",
    "dataclass_exact_type": "a table",
    "model_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
    "greater_than_equal": "{ge:g} or more",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "{le:g} or less",
    "less_than": "less than {lt:g}",
    "literal_error": "{expected}",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field: its dotted name, and a sentence without a final period that says what is wrong."""

    field: str
    text: str
    unknown: bool = False
    """The field itself is unknown."""


def problems_of(error: ValidationError) -> list[Problem]:
    """All wrong fields, in pydantic's order; a value is cut to 80 characters.

    >>> from pydantic import TypeAdapter
    >>> try: TypeAdapter(dict[str, int]).validate_python({"k": "8"}, strict=True)
    ... except ValidationError as error: problems_of(error)[0].text
    "k is '8': expected a whole number"
    """
    return [_problem(each) for each in error.errors(include_url=False)]


def _problem(found: Mapping[str, Any]) -> Problem:
    kind, context = str(found["type"]), found.get("ctx", {})
    field = dotted(found["loc"])
    if kind in ("missing", "missing_argument"):
        return Problem(field, f"{field} is missing")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return Problem(field, f"{field} is unknown", unknown=True)
    if kind == "value_error":  # raised by one of our own validators, whose message is complete
        return Problem(field, str(context["error"]))
    expected = _EXPECTED.get(kind)
    what = f"expected {expected.format(**context)}" if expected else str(found["msg"])
    return Problem(field, f"{field} is {shown(found['input'])}: {what}")


def dotted(path: Iterable[str | int]) -> str:
    """``("train", "betas", 0)`` as ``train.betas[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: Any, limit: int = 80) -> str:
    """A value in Python notation, cut to ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
