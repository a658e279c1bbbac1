"""What reading one BPMN file carries along: its ids, its problems and notices, and how references and expressions are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from modelyard.bpmn.errors import InvalidProcess
from modelyard.bpmn.model import EXTENSIONS, Finding, Severity
from modelyard.bpmn.reading.foreign import in_feel, is_feel
from modelyard.bpmn.reading.tree import MODEL, tag, text

_PROBLEMS = 100
_NOTICES = 2_000
"""Further ones of one file are not kept: nobody reads them."""


@dataclass(slots=True)
class Reading:
    """One file being read. Problems make it unreadable; notices are told. All are collected, so that an author sees them
    at once."""

    file: str | None
    language: str | None = None
    target: str = ""
    problems: list[InvalidProcess] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    executable: bool = False
    """Whether what is being read now belongs to an executable process."""
    declared: bool = False
    """Whether that process says so itself."""
    elements: dict[str, etree._Element] = field(default_factory=dict)
    """The BPMN elements of the file by id."""
    _given: dict[etree._Element, str] = field(default_factory=dict)

    def index(self, root: etree._Element) -> None:
        """Collect the ids. Those of diagrams and of others' extensions are not BPMN's, and may be what they like."""
        for element in semantic(root):
            id_ = (element.get("id") or "").strip()
            if id_ and id_ in self.elements:
                first = self.elements[id_].sourceline
                self.problem(element, f"the id {id_!r} is used twice; the first is in line {first}")
            elif id_:
                self.elements[id_] = element

    def problem(self, element: etree._Element, detail: str) -> None:
        if len(self.problems) < _PROBLEMS:
            self.problems.append(InvalidProcess(detail, file=self.file, element=named(element), line=line(element)))

    def notice(self, element: etree._Element, code: str, detail: str, severity: Severity = Severity.NOTE) -> None:
        if len(self.notices) < _NOTICES:
            self.notices.append(Finding(severity, named(element), line(element), code, detail))

    def cannot_run(self, element: etree._Element, code: str, detail: str) -> None:
        """Something that is not executed: why an executable process does not run; a note in a process that is only drawn."""
        self.notice(element, code, detail, Severity.ERROR if self.executable else Severity.NOTE)

    def id(self, element: etree._Element) -> str:
        """The element's id; those that have none get one, the same at each reading."""
        id_ = (element.get("id") or "").strip()
        if id_:
            return id_
        if element not in self._given:
            number = len(self._given) + 1
            while f"_{tag(element)}_{number}" in self.elements:
                number += 1
            made = f"_{tag(element)}_{number}"
            self._given[element] = made
            self.elements[made] = element
        return self._given[element]

    def referred(self, element: etree._Element, reference: str | None, *tags: str, must: bool = True) -> etree._Element | None:
        """What a QName or IDREF speaks of; a name with the prefix of another namespace speaks of another file.

        None when there is no such element, which is told (see `unknown`)."""
        reference = (reference or "").strip()
        if not reference:
            return None
        found = self._find(element, reference)
        what = f"{tag(element)} refers to {reference!r}"
        if found is not None and tags and tag(found) not in tags:
            self.unknown(element, f"{what}, which is a {tag(found)}, not a {tags[0]}", must)
            return None
        if found is None and self._foreign(element, reference):
            self.notice(element, "other-file", f"{what}, which is of another file")
        elif found is None:
            self.unknown(element, f"{what}, which is not in the file", must)
        return found

    def _find(self, element: etree._Element, reference: str) -> etree._Element | None:
        found = self.elements.get(reference)
        if found is None and ":" in reference and not self._foreign(element, reference):
            found = self.elements.get(reference.partition(":")[2])
        return found

    def _foreign(self, element: etree._Element, reference: str) -> bool:
        prefix, colon, _ = reference.partition(":")
        namespace = element.nsmap.get(prefix)
        return bool(colon) and namespace is not None and namespace not in (self.target, MODEL)

    def unknown(self, element: etree._Element, detail: str, must: bool = True) -> None:
        """A reference to what there is not. If it `must` be there, a process that says that it is executable is refused, and one
        that does not say it cannot run; in a process that is only drawn it does no harm."""
        if must and self.declared:
            self.problem(element, detail)
        else:
            severity = Severity.ERROR if must and self.executable else Severity.WARNING
            self.notice(element, "unknown-reference", detail, severity)

    def expression(self, element: etree._Element | None) -> str | None:
        """The FEEL of an expression (8.4.6); None when there is none or it is empty.

        What is of another language stays as it is written, with a notice, unless it is as plain as to mean the same in FEEL."""
        written = text(element)
        if element is None or not written:
            return None
        return self.feel(element, written, element.get("language"))

    def feel(self, element: etree._Element, written: str, language: str | None = None) -> str:
        """The text as FEEL. `language` is the one that the expression itself names, else it is the file's."""
        language = (language or "").strip() or self.language
        if written.startswith("="):
            return written[1:].strip()  # Zeebe's mark of FEEL
        if is_feel(language, written):
            return written
        translated = in_feel(written, language)
        if translated is not None:
            if translated != written:
                self.notice(element, "translated", f"{written!r:.80} was read as the FEEL {translated!r:.80}")
            return translated
        detail = f"the expression {written!r:.80} is of {language or 'the JUEL of others'}; only FEEL is executed"
        self.cannot_run(element, "foreign-expression", detail)
        return written


def semantic(root: etree._Element) -> Iterator[etree._Element]:
    """The BPMN elements of a document, in its order, without what is inside of extensions and diagrams."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if tag(element) and tag(element) != "extensionElements":
            yield element
            waiting.extend(reversed(element))


def line(element: etree._Element) -> int | None:
    return element.sourceline


_HOLDERS = frozenset(
    ("definitions", "process", "subProcess", "transaction", "adHocSubProcess", "collaboration", "laneSet", "childLaneSet")
)
"""What holds the elements that people know: nodes, flows, lanes. What stands deeper is a part of one of them."""


def named(element: etree._Element) -> str:
    """What an element is called in a message: by the id of the node, flow or other thing that it is, or is a part of."""
    near: etree._Element | None = element
    while near is not None:
        above = near.getparent()
        if near.get("id") and (above is None or tag(above) in _HOLDERS):
            return near.get("id", "").strip()
        near = above
    return (element.get("id") or "").strip() or tag(element) or str(element.tag)


def own(name: str) -> str:
    """A name of Modelyard's namespace, as lxml writes it."""
    return f"{{{EXTENSIONS}}}{name}"
