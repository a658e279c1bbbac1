"""Writing a file again: all of it as it was read, but for changes to what is Modelyard's own.

    write(definitions)                                                              # the bytes that were read
    write(definitions, (SetAttribute("review", "role", "risk-officer"),))
    write(definitions, (SetElements("score", "input", ({"target": "amount", "expression": "order.total"},)),))

What others wrote (their extensions, diagrams, comments, prefixes, white space) is never made anew from the model, and so
is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from modelyard.bpmn.errors import InvalidProcess
from modelyard.bpmn.model import EXTENSIONS, Definitions
from modelyard.bpmn.protocol import Limits
from modelyard.bpmn.reading.context import own, semantic
from modelyard.bpmn.reading.tree import MODEL, child, parse, tag

_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_BEFORE_ROOT = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|<\?.*?\?>|<!--.*?-->)*+", re.S)


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """The element of that id has `modelyard:name` as `value`; None takes it away."""

    element: str
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class SetElements:
    """The element of that id has these `modelyard:name` elements, by their attributes, in place of those that it has."""

    element: str
    name: str
    elements: tuple[Mapping[str, str], ...]


Change = SetAttribute | SetElements


def write(definitions: Definitions, changes: Iterable[Change] = (), limits: Limits = Limits()) -> bytes:  # noqa: B008 - frozen
    """The file with the changes, in its own encoding; to have the model of it, read it. Without changes it is the same bytes.

    Raises InvalidProcess for an element that there is not, or a name or value that XML cannot have."""
    changes = tuple(changes)
    if not changes:
        return definitions.source
    read = parse(definitions.source, definitions.file, limits)
    encoding = read.docinfo.encoding or "UTF-8"
    tree = parse(_declared(definitions.source, read.getroot(), encoding), definitions.file, limits)
    root = tree.getroot()
    elements = {id_: element for element in semantic(root) if (id_ := (element.get("id") or "").strip())}
    for change in changes:
        element = elements.get(change.element)
        if element is None:
            raise InvalidProcess("there is no such element to change", file=definitions.file, element=change.element)
        _apply(change, element, definitions.file)
    return etree.tostring(tree, xml_declaration=True, encoding=encoding, standalone=tree.docinfo.standalone or None)


def _apply(change: Change, element: etree._Element, file: str | None) -> None:
    if _NAME.fullmatch(change.name) is None:
        raise InvalidProcess(f"{change.name!r:.60} is no name", file=file, element=change.element)
    try:
        if isinstance(change, SetElements):
            _set_elements(change, element)
        elif change.value is None:
            element.attrib.pop(own(change.name), None)
        else:
            element.set(own(change.name), change.value)
    except ValueError as error:
        raise InvalidProcess(f"the value cannot be written: {error}", file=file, element=change.element) from error


def _set_elements(change: SetElements, element: etree._Element) -> None:
    holder = child(element, "extensionElements")
    if holder is None:
        if not change.elements:
            return
        holder = _holder(element)
    for old in list(holder.iterchildren(own(change.name))):
        holder.remove(old)
    if not change.elements and not len(holder):
        element.remove(holder)
    for attributes in change.elements:
        made = etree.SubElement(holder, own(change.name), nsmap={"modelyard": EXTENSIONS})
        for name, value in attributes.items():
            made.set(name, value)


def _holder(element: etree._Element) -> etree._Element:
    """A new extensionElements, which comes after the documentation (the schema's tBaseElement)."""
    made = etree.Element(f"{{{MODEL}}}extensionElements")
    place = next(
        (at for at, inner in enumerate(element) if isinstance(inner.tag, str) and tag(inner) != "documentation"), len(element)
    )
    made.tail = element.text
    element.insert(place, made)
    return made


def _declared(source: bytes, root: etree._Element, encoding: str) -> bytes:
    """The source with Modelyard's namespace declared at the root, under its usual prefix, where it is not.

    Put in by hand, so that no other declaration is touched: texts such as xsi:type speak of them. In an encoding of wide
    characters it is left to lxml, which declares it, less well to read, where it is used."""
    if EXTENSIONS in root.nsmap.values() or "modelyard" in root.nsmap or encoding.lower().startswith("utf-16"):
        return source
    name = f"{root.prefix}:definitions" if root.prefix else "definitions"
    before = _BEFORE_ROOT.match(source)
    end = (before.end() if before else 0) + len(name) + 1
    return source[:end] + f' xmlns:modelyard="{EXTENSIONS}"'.encode(encoding) + source[end:]
