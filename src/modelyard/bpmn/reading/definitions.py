"""Reading a whole file: `read` is what others need (BPMN 2.0.2, 8.2.1)."""

from __future__ import annotations

import hashlib

from lxml import etree

from modelyard.bpmn.errors import InvalidProcess, LimitExceeded
from modelyard.bpmn.model import Definitions, MessageFlow, Participant
from modelyard.bpmn.protocol import Limits
from modelyard.bpmn.reading import scopes
from modelyard.bpmn.reading.context import Reading
from modelyard.bpmn.reading.extensions import check_names
from modelyard.bpmn.reading.tree import MODEL, children, parse, tag

_DESCRIPTIVE = """
process message signal error escalation itemDefinition resource category interface dataStore extension relationship documentation
extensionElements collaboration endPoint partnerRole partnerEntity"""
_READ = frozenset(_DESCRIPTIVE.split())
"""What stands in a file beside processes, and is read where it is referred to, or only describes."""
_DRAWN = {
    "choreography": "choreographies are not executed",
    "globalChoreographyTask": "choreographies are not executed",
    "conversation": "conversations are not executed",
    "globalConversation": "conversations are not executed",
    "correlationProperty": "messages are matched by modelyard:correlation",
    "import": "nothing else is opened",
}


def read(source: bytes, file: str | None = None, limits: Limits = Limits()) -> Definitions:  # noqa: B008 - frozen
    """A BPMN 2.0 file as it stands; nothing is compiled and nothing else is opened.

    What is read and not executed is told in `notices`, with the severity `error` where it keeps an executable process from
    running. Raises InvalidProcess, with all findings in its `problems`, or LimitExceeded."""
    root = parse(source, file, limits).getroot()
    if root.tag != f"{{{MODEL}}}definitions":
        raise InvalidProcess(_strange(root), file=file, line=root.sourceline)
    reading = Reading(file, (root.get("expressionLanguage") or "").strip() or None, (root.get("targetNamespace") or "").strip())
    reading.index(root)
    check_names(root, reading)
    try:
        made = _definitions(root, source, reading)
    except RecursionError:
        raise LimitExceeded("elements are nested too deeply to be read", file=file) from None
    if reading.problems:
        raise _all_of(reading.problems)
    return made


def _definitions(root: etree._Element, source: bytes, reading: Reading) -> Definitions:
    processes = tuple(scopes.process(element, reading) for element in children(root, "process"))
    for element in children(root):
        _describe(element, reading)
    collaborations = list(children(root, "collaboration", "conversation", "choreography"))
    return Definitions(
        id=root.get("id"),
        name=root.get("name", ""),
        namespace=reading.target,
        processes=processes,
        digest=hashlib.sha256(source).hexdigest(),
        source=source,
        file=reading.file,
        participants=tuple(_participant(one, reading) for each in collaborations for one in children(each, "participant")),
        message_flows=tuple(_message_flow(one, reading) for each in collaborations for one in children(each, "messageFlow")),
        notices=tuple(sorted(reading.notices, key=lambda notice: notice.line or 0)),
    )


def _describe(element: etree._Element, reading: Reading) -> None:
    name = tag(element)
    if name in _DRAWN:
        reading.notice(element, "no-effect", f"{name} has no effect: {_DRAWN[name]}")
    elif name not in _READ and not name.endswith("EventDefinition") and not name.startswith("global"):
        reading.notice(element, "no-effect", f"<{name}> is not known and has no effect")
    for inner in children(element):
        if name == "collaboration" and tag(inner) in _IN_COLLABORATION:
            reading.notice(inner, "no-effect", f"a {tag(inner)} has no effect: {_IN_COLLABORATION[tag(inner)]}")


_IN_COLLABORATION = {
    "conversation": "conversations are not executed",
    "subConversation": "conversations are not executed",
    "callConversation": "conversations are not executed",
    "correlationKey": "messages are matched by modelyard:correlation",
}


def _participant(element: etree._Element, reading: Reading) -> Participant:
    found = reading.referred(element, element.get("processRef"), "process", must=False)
    return Participant(reading.id(element), element.get("name", ""), reading.id(found) if found is not None else None)


def _message_flow(element: etree._Element, reading: Reading) -> MessageFlow:
    ends = [_local(element, name, reading) for name in ("sourceRef", "targetRef")]
    message = reading.referred(element, element.get("messageRef"), "message", must=False)
    name = message.get("name") or reading.id(message) if message is not None else None
    return MessageFlow(reading.id(element), ends[0], ends[1], element.get("name", ""), name)


def _local(element: etree._Element, attribute: str, reading: Reading) -> str:
    found = reading.referred(element, element.get(attribute), must=False)
    return reading.id(found) if found is not None else (element.get(attribute) or "").strip()


def _all_of(problems: list[InvalidProcess]) -> InvalidProcess:
    """The first problem in the file, with all of them."""
    ordered = sorted(problems, key=lambda problem: problem.line or 0)
    error = InvalidProcess(ordered[0].detail, file=ordered[0].file, element=ordered[0].element, line=ordered[0].line)
    error.problems = tuple(ordered)
    return error


def _strange(root: etree._Element) -> str:
    name = etree.QName(root)
    if name.localname != "definitions":
        return f"the document begins with <{name.localname[:60]}>, not with <definitions> of BPMN 2.0"
    if not name.namespace:
        return "<definitions> has no namespace, so it is not of BPMN 2.0"
    return f"the namespace {name.namespace[:100]!r} is not that of BPMN 2.0"
