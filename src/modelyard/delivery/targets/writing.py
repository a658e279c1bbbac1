"""Documents as YAML in a stable order, with comments where a person must decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_STEP = "  "


@dataclass(frozen=True)
class Decide:
    """A value that a person should look at, and why."""

    value: Any
    why: str


@dataclass(frozen=True)
class Document:
    """One object of the cluster: the file it is written to, what it is for, and its content."""

    file: str
    about: str
    content: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """The content without comments, as the cluster reads it."""
        found: dict[str, Any] = _plain(self.content)
        return found


def as_yaml(documents: Iterable[Document]) -> str:
    """All of them as one stream."""
    return "".join(f"---\n# {document.about}\n{_text(document.content)}" for document in documents)


def by_file(documents: Iterable[Document]) -> dict[str, str]:
    """The text of each file."""
    files: dict[str, list[Document]] = {}
    for document in documents:
        files.setdefault(document.file, []).append(document)
    return {name: as_yaml(found) for name, found in files.items()}


def _text(content: Mapping[str, Any]) -> str:
    return "".join(f"{line}\n" for line in _mapping(content, ""))


def _mapping(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Decide):
            yield f"{indent}# decide: {value.why}"
        yield from _entry(f"{indent}{_scalar(key)}:", _bare(value), indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, indent + _STEP)
    elif isinstance(value, list) and value:
        yield head
        yield from _list(value, indent + _STEP)
    else:
        yield f"{head} {_scalar(value)}"


def _list(values: list[Any], indent: str) -> Iterator[str]:
    for item in values:
        if isinstance(item, Decide):
            yield f"{indent}# decide: {item.why}"
        bare = _bare(item)
        if isinstance(bare, Mapping) and bare:
            lines = list(_mapping(bare, indent + _STEP))
            first = next(place for place, line in enumerate(lines) if not line.lstrip().startswith("#"))
            yield from lines[:first]
            yield f"{indent}- {lines[first].lstrip()}"
            yield from lines[first + 1 :]
        else:
            yield f"{indent}- {_scalar(_plain(bare))}"


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Decide) else value


def _scalar(value: Any) -> str:
    """In block style only scalars and empty collections stand on one line."""
    quoted = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.safe_dump(value, default_style=quoted, default_flow_style=True, width=1 << 20)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(value: Any) -> Any:
    bare = _bare(value)
    if isinstance(bare, Mapping):
        return {key: _plain(item) for key, item in bare.items()}
    if isinstance(bare, list):
        return [_plain(item) for item in bare]
    return bare
