"""Strict reading of JSON and base64 from strangers: one reading of the bytes, or `Malformed`."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from modelyard.core.digests import canonical
from modelyard.trust.errors import Malformed

Model = TypeVar("Model", bound=BaseModel)


def read_json(data: bytes, what: str, greatest: int) -> dict[str, Any]:
    """The JSON object in `data`: UTF-8, at most `greatest` bytes, no field twice, no NaN. Raises Malformed."""
    if len(data) > greatest:
        raise Malformed(f"{what}: {len(data)} bytes, at most {greatest} are read")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed(f"{what}: a JSON object is expected, this is a {type(value).__name__}")
    return value


def read_model(model: type[Model], data: bytes, what: str, greatest: int) -> Model:
    """`data` as a model, strictly: no unknown field, no type made to fit. Raises Malformed with the first bad field."""
    read_json(data, what, greatest)
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or None
        raise Malformed(f"{what}: {first['msg']}", field=where) from error


def read_predicate(model: type[Model], predicate: dict[str, Any], what: str, greatest: int) -> Model:
    """The predicate of a statement that was read already, as strictly as if it came alone. Raises Malformed."""
    try:
        data = canonical(predicate)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what}: {error}") from error
    return read_model(model, data, what, greatest)


def read_base64(text: str, what: str) -> bytes:
    """Bytes of padded base64 in the standard alphabet. Raises Malformed; spare bits must be zero, so that one value has
    one text."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{what}: not base64: {error}") from error
    if write_base64(data) != text:
        raise Malformed(f"{what}: not base64 in its one canonical form")
    return data


def write_base64(data: bytes) -> str:
    """Padded base64 in the standard alphabet."""
    return base64.b64encode(data).decode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"field given twice: {', '.join(twice)}")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
