"""Strict YAML: text to plain values with the place of each, and back.

It reads the YAML that a person means: one document, keys are unique texts, plain scalars follow the YAML 1.2 core schema (`no`
is a text, `0o17` an octal number), no tags, no merge keys, no NaN. Size, depth and what aliases expand to are bounded, so that a
hostile file costs no more than an honest one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from modelyard.catalog.errors import InvalidManifestFile, Problem

GREATEST_FILE = 256 * 1024
GREATEST_DEPTH = 40
GREATEST_NODES = 50_000

Path = tuple[str | int, ...]
Places = dict[Path, tuple[int, int]]

_NULL = re.compile(r"^(null|Null|NULL|~|)$")
_BOOL = re.compile(r"^(true|True|TRUE|false|False|FALSE)$")
_INTEGER = re.compile(r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_REAL = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_PLAIN = re.compile(r"^[A-Za-z_/][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*$")
_OTHERS_READ_AS_BOOLEAN = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n"})
GREATEST_DIGITS = 300


@dataclass
class Document:
    """A value and where (line, column, from 1) each part of it stands."""

    value: Any
    places: Places

    def place(self, path: Path) -> tuple[int, int]:
        """The place of that part, or of the nearest part around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return (1, 1)


@dataclass
class _Node:
    """A scalar, or a collection that is being filled. `size` and `height` count what aliases expand to."""

    line: int
    column: int
    scalar: Any = None
    items: list[_Node] | None = None
    pairs: dict[str, tuple[_Node, _Node]] | None = None
    key: _Node | None = None
    size: int = 1
    height: int = 0


def read(text: str, file: str) -> Document:
    """The document in the text. Raises InvalidManifestFile with the place of what is wrong."""
    if len(text) > GREATEST_FILE or len(text.encode(errors="replace")) > GREATEST_FILE:
        raise _wrong(file, 1, 1, f"the file is larger than {GREATEST_FILE} bytes")
    root = _Reader(file).read(text)
    value, places = _plain(root)
    return Document(value, places)


class _Reader:
    """Builds nodes from the parser's events with a stack of its own."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Node] = []
        self._anchors: dict[str, _Node] = {}
        self._root: _Node | None = None

    def read(self, text: str) -> _Node:
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise _wrong(self._file, line, column, str(error.problem or error.context or "not YAML")) from error
        except yaml.reader.ReaderError as error:
            before = text[: error.position] if isinstance(error.position, int) else ""
            line = before.count("\n") + 1
            raise _wrong(self._file, line, 1, f"a character that YAML does not allow: {error.reason}") from error
        if self._root is None:
            raise _wrong(self._file, 1, 1, "the file is empty", "`modelyard init` writes a first one")
        return self._root

    def _take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if isinstance(event, yaml.ScalarEvent):
            self._put(event, _Node(line, column, scalar=self._scalar(event, line, column)))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._put(event, _Node(line, column, items=[]))
        elif isinstance(event, yaml.MappingStartEvent):
            self._put(event, _Node(line, column, pairs={}))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._put(None, self._aliased(event.anchor, line, column))

    def _put(self, event: yaml.NodeEvent | None, node: _Node) -> None:
        if event is not None and getattr(event, "tag", None) not in (None, "!"):
            raise _wrong(self._file, node.line, node.column, "tags are not allowed")
        self._attach(node)
        if event is not None and event.anchor:
            self._anchors[event.anchor] = node
        if event is not None and not isinstance(event, yaml.ScalarEvent):
            self._open.append(node)

    def _attach(self, node: _Node) -> None:
        for steps, around in enumerate(reversed(self._open), start=1):
            around.size += node.size
            around.height = max(around.height, node.height + steps)
        if self._open and self._open[0].height > GREATEST_DEPTH:
            raise _wrong(self._file, node.line, node.column, f"nested deeper than {GREATEST_DEPTH}")
        if self._open and self._open[0].size > GREATEST_NODES:
            raise _wrong(self._file, node.line, node.column, f"more than {GREATEST_NODES} values")
        if not self._open:
            if self._root is not None:
                raise _wrong(self._file, node.line, node.column, "a second document begins here", "keep one model a file")
            self._root = node
            return
        around = self._open[-1]
        if around.items is not None:
            around.items.append(node)
        elif around.key is None:
            around.key = self._new_key(around, node)
        else:
            assert around.pairs is not None
            around.pairs[around.key.scalar] = (around.key, node)
            around.key = None

    def _new_key(self, mapping: _Node, key: _Node) -> _Node:
        if not isinstance(key.scalar, str) or key.items is not None or key.pairs is not None:
            raise _wrong(self._file, key.line, key.column, "a key must be a text", "put it in quotes")
        if key.scalar == "<<":
            raise _wrong(self._file, key.line, key.column, "merge keys are not allowed", "write the fields out")
        assert mapping.pairs is not None
        if key.scalar in mapping.pairs:
            earlier = mapping.pairs[key.scalar][0].line
            raise _wrong(self._file, key.line, key.column, f"{key.scalar!r} is given twice", f"the first is on line {earlier}")
        return key

    def _aliased(self, anchor: str | None, line: int, column: int) -> _Node:
        node = self._anchors.get(anchor or "")
        if node is None:
            raise _wrong(self._file, line, column, f"no anchor is named {anchor!r}")
        if any(node is around for around in self._open):
            raise _wrong(self._file, line, column, f"{anchor!r} contains itself")
        return node

    def _scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> Any:
        text: str = event.value
        if event.style is not None or event.tag == "!":
            return text
        if _NOT_FINITE.match(text):
            raise _wrong(self._file, line, column, f"{text} is not a finite number", "put it in quotes if it is a text")
        if _NULL.match(text):
            return None
        if _BOOL.match(text):
            return text.lower() == "true"
        if _INTEGER.match(text) or _REAL.match(text):
            return self._number(text, line, column)
        return text

    def _number(self, text: str, line: int, column: int) -> int | float:
        if len(text) > GREATEST_DIGITS:
            raise _wrong(self._file, line, column, "a number of too many digits", "put it in quotes if it is a text")
        if _INTEGER.match(text):
            return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
        number = float(text)
        if not math.isfinite(number):
            raise _wrong(self._file, line, column, f"{text} is not a finite number")
        return number


def _plain(root: _Node) -> tuple[Any, Places]:
    """Values and places; recursion goes no deeper than what was read."""
    places: Places = {}

    def visit(node: _Node, path: Path) -> Any:
        places.setdefault(path, (node.line, node.column))
        if node.items is not None:
            return [visit(item, (*path, number)) for number, item in enumerate(node.items)]
        if node.pairs is not None:
            value = {}
            for name, (key, item) in node.pairs.items():
                places[(*path, name)] = (key.line, key.column)
                value[name] = visit(item, (*path, name))
            return value
        return node.scalar

    return visit(root, ()), places


def write(value: Any, indent: int = 0) -> str:
    """Block style YAML that `read` gives back as the same value; mappings keep their order."""
    return "".join(_lines(value, indent))


def _lines(value: Any, indent: int) -> Iterator[str]:
    pad = "  " * indent
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{pad}{_scalar_text(key)}:", item, indent)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _entry(f"{pad}-", item, indent)
    else:
        yield f"{pad}{_scalar_text(value)}\n"


def _entry(lead: str, item: Any, indent: int) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield f"{lead}\n"
        yield from _lines(item, indent + 1)
    else:
        yield f"{lead} {_scalar_text(item)}\n"


def _scalar_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return value if _reads_as_itself(value) else _quoted(value)


def _reads_as_itself(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and not _NULL.match(text) and text.lower() not in _OTHERS_READ_AS_BOOLEAN


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() and ord(c) < 0xD800 else _escaped(ord(c))) for c in text) + '"'


def _escaped(code: int) -> str:
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


def _wrong(file: str, line: int, column: int, message: str, suggestion: str = "") -> InvalidManifestFile:
    return InvalidManifestFile.of([Problem(file, line, column, "", message, suggestion)])
