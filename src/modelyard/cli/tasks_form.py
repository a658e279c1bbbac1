"""A task's form on the command line: values typed as text become what the form asks for; what is missing is asked for.

The server checks everything again; what can be said here is said here, with the field and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from modelyard.cli.bodies import value
from modelyard.cli.errors import Usage
from modelyard.cli.session import ask_line, interactive, pairs, say

Json = dict[str, Any]
ATTEMPTS = 3
_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


def filled(form: Mapping[str, Any] | None, given: Mapping[str, Any], sets: Sequence[str]) -> Json:
    """What is given in a file and by --set, by the form's types. On a terminal what is missing is asked for.

    Raises Usage that names the field and says what it may be."""
    fields = properties(form)
    found = dict(given)
    for name, text in pairs(sets, "--set").items():
        found[name] = typed(_known(fields, name), text, name)
    for name in missing(form, found):
        found[name] = _asked(name, fields.get(name, {}), missing(form, found))
    for name, said in found.items():
        _allowed(fields.get(name, {}), said, name)
    return found


def properties(form: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict((form or {}).get("properties", {}))


def missing(form: Mapping[str, Any] | None, found: Mapping[str, Any]) -> list[str]:
    """Required fields that nobody gave and that have no default."""
    fields = properties(form)
    return [name for name in (form or {}).get("required", ()) if name not in found and "default" not in fields.get(name, {})]


def kinds(field: Mapping[str, Any]) -> list[str]:
    """The types of a field: a form need not say that one is text."""
    told = field.get("type", "object" if "properties" in field else "string")
    return list(told) if isinstance(told, list) else [told]


def typed(field: Mapping[str, Any], text: str, name: str) -> Any:
    """A value as it is typed. Raises Usage."""
    for each in field.get("enum", ()):
        if str(each) == text:
            return each
    types = kinds(field)
    if text == "null" and "null" in types:
        return None
    for kind in types:
        found = _READ.get(kind, _as_text)(text, name)
        if found is not None:
            return found
    raise Usage(f"{text!r} is not right for {name}", field=name, hint=f"it is {described(field)}")


def described(field: Mapping[str, Any]) -> str:
    """What a field may be, in words."""
    if "enum" in field:
        return "one of " + ", ".join(str(each) for each in field["enum"])
    if "const" in field:
        return f"{field['const']}"
    words = [_WORDS.get(kind, kind) for kind in kinds(field)]
    limits = [f"{word} {field[name]}" for name, word in _LIMITS if name in field]
    more = [str(field["format"])] if "format" in field else []
    return ", ".join([" or ".join(words), *more, *limits])


def _known(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name in fields:
        found: Mapping[str, Any] = fields[name]
        return found
    hint = f"its fields: {', '.join(fields)}" if fields else "it has no form; leave --set out"
    raise Usage(f"the task asks for no {name!r}", field=name, hint=hint)


def _asked(name: str, field: Mapping[str, Any], all_missing: Sequence[str]) -> Any:
    if not interactive():
        sets = " ".join(f"--set {each}=…" for each in all_missing)
        raise Usage(f"the form asks for {', '.join(all_missing)}", field=name, hint=f"{sets}  ({name} is {described(field)})")
    for _ in range(ATTEMPTS):
        text = ask_line(f"{field.get('title', name)} ({described(field)}): ")
        try:
            found = typed(field, text, name)
            _allowed(field, found, name)
            if text:
                return found
        except Usage as error:
            say(f"{error.detail}: {error.hint}")
    raise Usage(f"{name} was not given", field=name, hint=f"it is {described(field)}")


def _allowed(field: Mapping[str, Any], said: Any, name: str) -> None:
    """What can be said without the whole of JSON Schema: the server says the rest."""
    number = isinstance(said, int | float) and not isinstance(said, bool)
    wrong = (
        ("enum" in field and said not in field["enum"])
        or (number and said < field.get("minimum", said))
        or (number and said > field.get("maximum", said))
        or (isinstance(said, str) and len(said) < field.get("minLength", 0))
    )
    if wrong:
        raise Usage(f"{said!r} is not right for {name}", field=name, hint=f"it is {described(field)}")


def _as_text(text: str, _: str) -> Any:
    return text


def _as_number(text: str, _: str) -> Any:
    try:
        found = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return None
    return found if isfinite(found) else None


def _as_whole(text: str, _: str) -> Any:
    return int(text) if text.lstrip("+-").isdecimal() else None


def _as_boolean(text: str, _: str) -> Any:
    return True if text.lower() in _YES else False if text.lower() in _NO else None


def _as_list(text: str, name: str) -> Any:
    """YAML, or words divided by commas."""
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    found = value(text, name)
    return found if isinstance(found, list) else None


def _as_object(text: str, name: str) -> Any:
    return value(text, name)


_READ: Mapping[str, Callable[[str, str], Any]] = {
    "string": _as_text,
    "number": _as_number,
    "integer": _as_whole,
    "boolean": _as_boolean,
    "array": _as_list,
    "object": _as_object,
    "null": lambda _text, _name: None,
}
_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "yes or no",
    "array": "a list",
    "object": "names and values",
}
_LIMITS = (
    ("minimum", "at least"), ("maximum", "at most"), ("exclusiveMinimum", "more than"), ("exclusiveMaximum", "less than"),
    ("minLength", "length at least"), ("maxLength", "length at most"), ("minItems", "entries at least"),
    ("maxItems", "entries at most"),
)  # fmt: skip
