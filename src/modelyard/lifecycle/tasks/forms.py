"""Forms: a subset of JSON Schema (draft 2020-12) that a page, a command line and the server all understand alike.

A form is an object of named fields. Fields are strings, numbers, integers, booleans, or lists and objects of these. What is
outside the subset is refused when a process is proposed, so that a form never promises a check that is not made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from modelyard.core.errors import InvalidInput

_KEYWORDS = """type properties required enum const minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems
maxItems items additionalProperties title description default format examples $schema"""
KEYWORDS = frozenset(_KEYWORDS.split())
TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))
FORMATS = frozenset(("date", "date-time", "email", "uri"))
GREATEST_DEPTH = 8
TOLD = 10


def check(schema: Any, where: str) -> None:
    """Raises InvalidInput naming the place of what a form cannot have."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise InvalidInput("a form is a JSON Schema of type object", field=where)
    _check(schema, where, 0)
    try:
        jsonschema_rs.meta.validate(dict(schema))
    except jsonschema_rs.ValidationError as error:
        raise InvalidInput(f"the form is no valid JSON Schema: {error.message}", field=where) from error


def _check(schema: Any, where: str, depth: int) -> None:
    if depth > GREATEST_DEPTH:
        raise InvalidInput(f"forms are nested at most {GREATEST_DEPTH} deep", field=where)
    if not isinstance(schema, Mapping):
        raise InvalidInput("a field of a form is a JSON Schema", field=where)
    unknown = sorted(schema.keys() - KEYWORDS)
    if unknown:
        raise InvalidInput(
            f"forms do not have {', '.join(unknown)}", field=where, hint=f"they have {', '.join(sorted(KEYWORDS))}"
        )
    given = schema.get("type", "object" if "properties" in schema else "string")
    for kind in given if isinstance(given, list) else [given]:
        if kind not in TYPES:
            raise InvalidInput(f"there is no type {kind!r}", field=f"{where}.type", hint=f"one of {', '.join(sorted(TYPES))}")
    if schema.get("format", "date") not in FORMATS:
        raise InvalidInput(f"there is no format {schema['format']!r} in forms", field=f"{where}.format")
    for name, field in schema.get("properties", {}).items():
        _check(field, f"{where}.properties.{name}", depth + 1)
    if "items" in schema:
        _check(schema["items"], f"{where}.items", depth + 1)


def fill(schema: Mapping[str, Any] | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as the form asks for it, defaults put in. Raises InvalidInput naming every field that is wrong. Without a form
    there is nothing to fill in."""
    if schema is None:
        if data:
            raise InvalidInput(f"this task has no form; {', '.join(sorted(data))} cannot be given", field="data")
        return {}
    known = schema.get("properties", {})
    filled = {name: field["default"] for name, field in known.items() if "default" in field} | dict(data)
    closed = {"additionalProperties": False, **schema}
    validator = jsonschema_rs.Draft202012Validator(closed, validate_formats=True)
    faults = [_told(error) for error in validator.iter_errors(filled)]
    if faults:
        field, detail = faults[0]
        more = "; ".join(f"{place}: {what}" for place, what in faults[1:TOLD])
        raise InvalidInput(detail + (f"; {more}" if more else ""), field=field, hint="see the form: `modelyard task show ID`")
    return filled


def _told(error: Any) -> tuple[str, str]:
    place = ".".join(str(part) for part in error.instance_path)
    return (f"data.{place}" if place else "data", error.message)
