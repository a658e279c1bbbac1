"""Forms: a subset of JSON Schema (draft 2020-12) that a page, a command line and the server all understand alike.

A form is an object of named fields. Fields are strings, numbers, integers, booleans, or lists and objects of these; a field that
says no type is a string, or an object if it has fields. Objects have the fields that are named and no others. What is outside the
subset is refused when a process is proposed, so that a form never promises a check that is not made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from modelyard.core.digests import canonical
from modelyard.core.errors import InvalidInput, TooLarge

_KEYWORDS = """type properties required enum const minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems
maxItems items additionalProperties title description default format examples $schema"""
KEYWORDS = frozenset(_KEYWORDS.split())
TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))
FORMATS = frozenset(("date", "date-time", "email", "uri"))
DRAFT = "https://json-schema.org/draft/2020-12/schema"
GREATEST_DEPTH = 8
GREATEST_NESTING = 40
"""Of everything in a form, defaults and examples included."""
GREATEST_FORM = 256 << 10
GREATEST_DATA = 1 << 20
"""Bytes that somebody may fill in: far above what anybody types, far below what an instance may keep."""
TOLD = 10
Schema = Mapping[str, Any]


def check(schema: Any, where: str) -> None:
    """Raises InvalidInput naming the place of what a form cannot have."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise InvalidInput("a form is a JSON Schema of type object", field=where)
    _check_size(schema, where)
    if schema.get("$schema", DRAFT) != DRAFT:
        raise InvalidInput(f"a form is a JSON Schema of {DRAFT}", field=f"{where}.$schema")
    _check(schema, where, 0)
    try:
        jsonschema_rs.meta.validate(dict(schema))
    except jsonschema_rs.ValidationError as error:
        raise InvalidInput(f"the form is no valid JSON Schema: {error.message}", field=where) from error
    _check_defaults(schema, where)


def _check_size(schema: Schema, where: str) -> None:
    level: list[Any] = [schema]
    for _ in range(GREATEST_NESTING):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            break
    else:
        raise InvalidInput(f"forms are nested at most {GREATEST_DEPTH} deep", field=where)
    if len(canonical(schema)) > GREATEST_FORM:
        raise InvalidInput(f"forms have at most {GREATEST_FORM} bytes", field=where)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


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
    for kind in _types(schema):
        if not isinstance(kind, str) or kind not in TYPES:
            raise InvalidInput(f"there is no type {kind!r}", field=f"{where}.type", hint=f"one of {', '.join(sorted(TYPES))}")
    _check_format(schema, where)
    _check_object(schema, where, depth)
    if "items" in schema:
        _check(schema["items"], f"{where}.items", depth + 1)
    elif "array" in _types(schema):
        raise InvalidInput("a list says what its items are", field=where, hint="add `items`")


def _check_format(schema: Schema, where: str) -> None:
    form = schema.get("format", "date")
    if not isinstance(form, str) or form not in FORMATS:
        raise InvalidInput(f"there is no format {form!r} in forms", field=f"{where}.format", hint=f"{', '.join(sorted(FORMATS))}")


def _check_object(schema: Schema, where: str, depth: int) -> None:
    fields, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(fields, Mapping) or not isinstance(required, list):
        raise InvalidInput("`properties` is an object, and `required` a list of their names", field=where)
    if schema.get("additionalProperties", False) is not False:
        raise InvalidInput("a form has the fields that it names and no others", field=f"{where}.additionalProperties")
    missing = [name for name in required if name not in fields]
    if missing:
        raise InvalidInput(
            f"{missing[0]!r} is required and is no field", field=f"{where}.required", hint="add it to `properties`"
        )
    for name, field in fields.items():
        _check(field, f"{where}.properties.{name}", depth + 1)


def _check_defaults(schema: Schema, where: str) -> None:
    """A default that its own field refuses would keep everybody from filling in the form."""
    if "default" in schema:
        faults = _faults(schema, with_defaults(schema, schema["default"]))
        if faults:
            raise InvalidInput(f"the default does not fit: {faults[0][1]}", field=f"{where}.default")
    for name, field in schema.get("properties", {}).items():
        _check_defaults(field, f"{where}.properties.{name}")
    if "items" in schema:
        _check_defaults(schema["items"], f"{where}.items")


def _types(schema: Schema) -> list[Any]:
    given = schema.get("type")
    if given is None:
        return [] if "enum" in schema or "const" in schema else ["object" if "properties" in schema else "string"]
    return given if isinstance(given, list) else [given]


def strict(schema: Schema) -> dict[str, Any]:
    """The JSON Schema that is checked: every field with its type, every object closed."""
    told = dict(schema)
    if "type" not in told and _types(schema):
        told["type"] = _types(schema)[0]
    if "object" in _types(schema) or "properties" in schema:
        told["additionalProperties"] = False
        told["properties"] = {name: strict(field) for name, field in schema.get("properties", {}).items()}
    if "items" in schema:
        told["items"] = strict(schema["items"])
    return told


def fill(schema: Schema | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as the form asks for it, defaults put in, those of objects that are given included. Raises InvalidInput naming
    every field that is wrong. Without a form there is nothing to fill in."""
    if schema is None:
        if data:
            raise InvalidInput(f"this task has no form; {', '.join(sorted(data))} cannot be given", field="data")
        return {}
    if len(canonical(data)) > GREATEST_DATA:
        raise TooLarge(f"a form takes at most {GREATEST_DATA} bytes", field="data", hint="attach a document instead")
    filled: dict[str, Any] = with_defaults(schema, data)
    faults = _faults(schema, filled)
    if faults:
        field, detail = faults[0]
        told = [f"{place}: {what}" for place, what in faults[1:TOLD]]
        told += [f"and {len(faults) - TOLD} more"] if len(faults) > TOLD else []
        raise InvalidInput("; ".join([detail, *told]), field=field, hint="see the form: `modelyard task show ID`")
    return filled


def with_defaults(schema: Schema, value: Any) -> Any:
    """What was given, with the defaults of fields that are not there."""
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        given = {name: field["default"] for name, field in known.items() if "default" in field} | dict(value)
        return {name: with_defaults(known[name], item) if name in known else item for name, item in given.items()}
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(schema["items"], item) for item in value]
    return value


def _faults(schema: Schema, data: Any) -> list[tuple[str, str]]:
    validator = jsonschema_rs.Draft202012Validator(strict(schema), validate_formats=True)
    return sorted(fault for error in validator.iter_errors(data) for fault in _told(error))


def _told(error: Any) -> Iterator[tuple[str, str]]:
    """Each fault at the field that somebody has to mend."""
    path = ["data", *(str(part) for part in error.instance_path)]
    if error.kind.name == "required":
        yield ".".join([*path, str(error.kind.property)]), "this field is required"
    elif error.kind.name == "additionalProperties":
        for name in error.kind.unexpected:
            yield ".".join([*path, str(name)]), "the form has no such field"
    else:
        message = str(error.message)
        yield ".".join(path), message if len(message) <= 300 else f"{message[:300]}…"
