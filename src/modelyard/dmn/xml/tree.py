"""XML as a tree with lines, for files from strangers: no document types, no entities, nothing fetched, everything bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Never
from xml.parsers import expat

from modelyard.dmn.errors import DmnError, InvalidModel, LimitExceeded
from modelyard.dmn.run import Limits

_BETWEEN = "\x1f"
"""Stands between namespace and name in what expat reports; it cannot occur in an XML document."""

_ENCODINGS = re.compile(
    r"utf-?(8|16)([-_]?(le|be))?|(us-)?ascii|iso[-_]?8859[-_]\d{1,2}|latin[-_]?1|windows-125\d|cp125\d|koi8-[ru]", re.I
)
"""What a file may declare. Python knows more codecs, some of which are not encodings of text."""


@dataclass(slots=True)
class Node:
    """An element: `tag` without its namespace, attributes without a namespace, the text that stands directly inside.

    `prefixes` are the namespace declarations in scope, shared between elements that declare none."""

    tag: str
    namespace: str
    attributes: dict[str, str]
    typed: dict[tuple[str, str], str]
    line: int
    prefixes: Mapping[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> list[Node]:
        return [child for child in self.children if child.tag in tags]

    def one(self, *tags: str) -> Node | None:
        return next((child for child in self.children if child.tag in tags), None)


Wanted = Callable[[str, str, bool], bool | str]
"""Asked with the namespace and the name of an element, and whether it is the root: False leaves it out with all that is in it, a
text is why the document is refused."""


def everything(namespace: str, tag: str, root: bool) -> bool:
    return True


def parse(source: bytes, file: str | None, limits: Limits, wanted: Wanted = everything) -> Node:
    """The root of a document. Raises InvalidModel for what is malformed or hostile, LimitExceeded for what is too much."""
    if len(source) > limits.file_bytes:
        raise LimitExceeded(f"the file has {len(source)} bytes, more than {limits.file_bytes}", file=file)
    builder = _Builder(file, limits, wanted)
    parser = builder.parser
    try:
        parser.Parse(source, True)
    except DmnError:
        raise
    except expat.ExpatError as error:
        raise InvalidModel(f"not well-formed XML: {expat.ErrorString(error.code)}", file=file, line=error.lineno) from error
    except (LookupError, ValueError) as error:
        raise InvalidModel(f"the encoding cannot be read: {error}", file=file, line=1) from error
    if builder.root is None:
        raise InvalidModel("the document is of another format", file=file, line=1)
    return builder.root


class _Builder:
    """Takes expat's events."""

    def __init__(self, file: str | None, limits: Limits, wanted: Wanted) -> None:
        self.file, self.limits, self.wanted = file, limits, wanted
        self.root: Node | None = None
        self.open: list[Node] = []
        self.texts: list[list[str]] = []
        self.depth = self.skipping = self.count = 0
        self.declared: dict[str, str] = {}
        self.parser = parser = expat.ParserCreate(namespace_separator=_BETWEEN)
        parser.buffer_text = True
        parser.XmlDeclHandler = self.declaration
        parser.StartDoctypeDeclHandler = self.doctype
        parser.EntityDeclHandler = self.doctype
        parser.StartNamespaceDeclHandler = self.namespace
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters

    def refuse(self, detail: str) -> Never:
        raise InvalidModel(detail, file=self.file, line=self.parser.CurrentLineNumber)

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and not _ENCODINGS.fullmatch(encoding):
            self.refuse(f"the encoding {encoding[:40]!r} is not known")

    def doctype(self, *declaration: object) -> None:
        self.refuse("a document type declaration is not allowed: entities can be used to attack the reader")

    def namespace(self, prefix: str | None, uri: str | None) -> None:
        self.declared[prefix or ""] = uri or ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.count += 1
        self.within_limits(name)
        declared, self.declared = self.declared, {}
        namespace, tag = _split(name)
        if self.skipping or not self.is_wanted(namespace, tag):
            self.skipping += 1
            return
        plain = {key: value for key, value in attributes.items() if _BETWEEN not in key}
        typed = {_split(key): value for key, value in attributes.items() if _BETWEEN in key}
        above: Mapping[str, str] = self.open[-1].prefixes if self.open else {}
        node = Node(tag, namespace, plain, typed, self.parser.CurrentLineNumber, {**above, **declared} if declared else above)
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node
        self.open.append(node)
        self.texts.append([])

    def is_wanted(self, namespace: str, tag: str) -> bool:
        verdict = self.wanted(namespace, tag, self.depth == 1)
        if isinstance(verdict, str):
            raise InvalidModel(verdict, file=self.file, element=tag[:60], line=self.parser.CurrentLineNumber)
        return verdict

    def within_limits(self, name: str) -> None:
        line, tag = self.parser.CurrentLineNumber, _split(name)[1]
        if self.depth > self.limits.nesting:
            raise LimitExceeded(
                f"elements are nested more than {self.limits.nesting} deep", file=self.file, element=tag, line=line
            )
        if self.count > self.limits.elements:
            raise LimitExceeded(f"the file has more than {self.limits.elements} elements", file=self.file, element=tag, line=line)

    def characters(self, text: str) -> None:
        if self.texts and not self.skipping:
            self.texts[-1].append(text)

    def end(self, name: str) -> None:
        self.depth -= 1
        if self.skipping:
            self.skipping -= 1
            return
        self.open.pop().text = "".join(self.texts.pop())


def _split(name: str) -> tuple[str, str]:
    namespace, _, tag = name.rpartition(_BETWEEN)
    return namespace, tag
