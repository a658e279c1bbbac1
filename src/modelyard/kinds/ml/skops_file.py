"""Reads which types a skops file would make, from its `schema.json`, without skops and without loading anything."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import archive, reading
from modelyard.kinds.contract import Policy
from modelyard.kinds.ml import trusted

_MAX_NODES = 2_000_000
_FUNCTIONS = frozenset({"FunctionNode"})


@dataclass(frozen=True)
class Face:
    """The types of a skops file as `module.name`, those that are not trusted, and the distributions it was written with."""

    types: tuple[str, ...]
    untrusted: tuple[str, ...]
    estimator: str
    version: str


def read_face(path: Path, policy: Policy) -> Face:
    """The face of a skops file. Raises InvalidArtifact when it is not one; TooLarge when it would unpack beyond the limit."""
    reading.size_of(path, policy)
    with archive.open_zip(path, policy) as bundle:
        schema = _schema(bundle)
        types = {found for node in _nodes(schema) if (found := _type(node)) is not None}
        broken = bundle.testzip()
    if broken is not None:
        raise InvalidArtifact(f"the part {broken!r} of the skops file is corrupt", field="artifact")
    untrusted = [t for t in types if not trusted.allowed(*_split(t), policy.trusted_types)]
    return Face(
        types=tuple(sorted(types)),
        untrusted=tuple(sorted(untrusted)),
        estimator=f"{schema.get('__module__', '')}.{schema.get('__class__', '')}",
        version=str(schema.get("_skops_version", "")),
    )


def is_trusted(name: str, policy: Policy) -> bool:
    """Whether a type named `module.name` may be made."""
    return trusted.allowed(*_split(name), policy.trusted_types)


def _split(name: str) -> tuple[str, str]:
    module, _, last = name.rpartition(".")
    return module, last


def _schema(bundle: zipfile.ZipFile) -> dict[str, Any]:
    try:
        schema = msgspec.json.decode(bundle.read("schema.json"))
    except (KeyError, msgspec.DecodeError, RecursionError, *archive.ZIP_ERRORS) as error:
        raise InvalidArtifact(f"not a whole skops file: {error}", field="artifact") from error
    if not isinstance(schema, dict) or "__loader__" not in schema or "__class__" not in schema:
        raise InvalidArtifact("not a skops file: its schema describes no object", field="artifact")
    return schema


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    waiting, count = [schema], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > _MAX_NODES:
            raise InvalidArtifact("the schema of the skops file has too many parts", field="artifact")
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _type(node: dict[str, Any]) -> str | None:
    """What a node would make; plain JSON values make nothing."""
    loader, content = node["__loader__"], node.get("content")
    if loader == "JsonNode":
        return None
    module, name = node.get("__module__"), node.get("__class__")
    if loader in _FUNCTIONS and isinstance(content, dict):
        module, name = content.get("module_path", module), content.get("function", name)
    if not isinstance(module, str) or not isinstance(name, str):
        raise InvalidArtifact("a part of the skops file has no type", field="artifact")
    return f"{module}.{name}"
