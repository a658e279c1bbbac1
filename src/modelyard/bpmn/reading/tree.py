"""XML from strangers as lxml's tree: no document types, no entities, nothing fetched, everything bounded.

The file is looked through by expat first, which stops at the first thing that is not allowed; only then is a tree built of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Never
from xml.parsers import expat

from lxml import etree

from modelyard.bpmn.errors import BpmnError, InvalidProcess, LimitExceeded
from modelyard.bpmn.protocol import Limits

MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL"
"""The namespace of BPMN 2.0's semantic elements (chapter 15.3.1)."""

_ENCODINGS = re.compile(
    r"utf-?(8|16)([-_]?(le|be))?|(us-)?ascii|iso[-_]?8859[-_]\d{1,2}|latin[-_]?1|windows-125\d|cp125\d|koi8-[ru]", re.I
)
"""What a file may declare. Python knows more codecs, some of which are not encodings of text."""


def parse(source: bytes, file: str | None, limits: Limits) -> etree._ElementTree[etree._Element]:
    """Raises InvalidProcess for what is malformed or hostile, LimitExceeded for what is too much."""
    if len(source) > limits.file_bytes:
        raise LimitExceeded(f"the file has {len(source)} bytes, more than {limits.file_bytes}", file=file)
    _Inspection(file, limits).of(source)
    try:
        root = etree.fromstring(source, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidProcess(f"not well-formed XML: {error}", file=file, line=getattr(error, "lineno", None)) from error
    return root.getroottree()


def _parser() -> etree.XMLParser[etree._Element]:
    """A new one each time: parsers are not for several threads. CDATA sections, comments and instructions are kept."""
    return etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, strip_cdata=False, remove_blank_text=False
    )


class _Inspection:
    """Takes expat's events, and keeps nothing."""

    def __init__(self, file: str | None, limits: Limits) -> None:
        self.file, self.limits = file, limits
        self.depth = self.count = 0
        self.parser = parser = expat.ParserCreate()
        parser.XmlDeclHandler = self.declaration
        parser.StartDoctypeDeclHandler = self.doctype
        parser.EntityDeclHandler = self.doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end

    def of(self, source: bytes) -> None:
        try:
            self.parser.Parse(source, True)
        except BpmnError:
            raise
        except expat.ExpatError as error:
            detail = f"not well-formed XML: {expat.ErrorString(error.code)}"
            raise InvalidProcess(detail, file=self.file, line=error.lineno) from error
        except (LookupError, ValueError) as error:
            raise InvalidProcess(f"the encoding cannot be read: {error}", file=self.file, line=1) from error

    def refuse(self, detail: str) -> Never:
        raise InvalidProcess(detail, file=self.file, line=self.parser.CurrentLineNumber)

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and not _ENCODINGS.fullmatch(encoding):
            self.refuse(f"the encoding {encoding[:40]!r} is not known")

    def doctype(self, *declaration: object) -> None:
        self.refuse("a document type declaration is not allowed: entities can be used to attack the reader")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.count += 1
        if self.depth > self.limits.nesting:
            self.too_much(f"elements are nested more than {self.limits.nesting} deep", name)
        if self.count > self.limits.elements:
            self.too_much(f"the file has more than {self.limits.elements} elements", name)

    def too_much(self, detail: str, name: str) -> Never:
        raise LimitExceeded(detail, file=self.file, element=name[:60], line=self.parser.CurrentLineNumber)

    def end(self, name: str) -> None:
        self.depth -= 1


def tag(element: etree._Element) -> str:
    """The local name of a BPMN element; empty for comments, instructions and the elements of others."""
    name = element.tag
    return name[len(MODEL) + 2 :] if isinstance(name, str) and name.startswith(_PREFIX) else ""


_PREFIX = f"{{{MODEL}}}"


def children(element: etree._Element, *tags: str) -> Iterator[etree._Element]:
    """The BPMN elements directly inside, of these names, or all."""
    for child in element:
        name = tag(child)
        if name and (not tags or name in tags):
            yield child


def child(element: etree._Element, *tags: str) -> etree._Element | None:
    return next(children(element, *tags), None)


def text(element: etree._Element | None) -> str:
    """The text of an element and all inside, without comments, and without space around it."""
    if element is None:
        return ""
    parts = []
    for node in element.iter():
        parts.append(node.text if isinstance(node.tag, str) else None)
        if node is not element:
            parts.append(node.tail)
    # A comment's tail is the text after it, and belongs to the element.
    return "".join(part for part in parts if part).strip()


def flag(element: etree._Element, attribute: str, default: bool = False) -> bool:
    """An attribute of xsd:boolean."""
    written = element.get(attribute, "").strip().lower()
    return written in ("true", "1") if written else default
