"""Processes and sub-processes: their nodes, flows, lanes and data (BPMN 2.0.2, 8.4.13, 10.2, 10.3.5, 10.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lxml import etree

from modelyard.bpmn.model import Flow, Gateway, GatewayKind, Lane, Node, Process, Scope, SubProcess
from modelyard.bpmn.reading import data
from modelyard.bpmn.reading.activities import active, call, default, task
from modelyard.bpmn.reading.context import Reading, line
from modelyard.bpmn.reading.events import event
from modelyard.bpmn.reading.extensions import attribute, extensions
from modelyard.bpmn.reading.node import common, documentation
from modelyard.bpmn.reading.tree import child, children, flag, tag, text

_ELSEWHERE = """
documentation extensionElements incoming outgoing laneSet dataObject dataObjectReference property sequenceFlow association group
textAnnotation artifact ioSpecification dataInputAssociation dataOutputAssociation resourceRole performer humanPerformer
potentialOwner standardLoopCharacteristics multiInstanceLoopCharacteristics auditing monitoring supports ioBinding
categoryValueRef"""
_SILENT = frozenset(_ELSEWHERE.split())
"""What is read elsewhere, or means nothing for execution by the specification (artifacts, 8.4.1; monitoring, 8.4.11)."""


def process(element: etree._Element, reading: Reading) -> Process:
    reading.executable, reading.declared = flag(element, "isExecutable", True), flag(element, "isExecutable")
    lanes = _lanes(element, reading)
    try:
        return Process(
            id=reading.id(element),
            name=element.get("name", ""),
            body=scope(element, _innermost(lanes), None, reading),
            executable=reading.executable,
            lanes=lanes,
            documentation=documentation(element),
            line=line(element),
        )
    finally:
        reading.executable = reading.declared = False


def scope(element: etree._Element, lanes: dict[str, str], lane: str | None, reading: Reading) -> Scope:
    """The inside of a process or sub-process; nodes that no lane names are in the `lane` of the sub-process around them."""
    nodes: dict[str, Node] = {}
    for found in children(element):
        made = _node(found, lanes, lane, reading)
        if made is not None:
            nodes[made.id] = made
    flows = _flows(element, nodes, reading)
    leaving: dict[str, list[str]] = {}
    entering: dict[str, list[str]] = {}
    for flow in flows.values():
        leaving.setdefault(flow.source, []).append(flow.id)
        entering.setdefault(flow.target, []).append(flow.id)
    for id_, node in nodes.items():
        nodes[id_] = replace(
            node,
            incoming=tuple(entering.get(id_, ())),
            outgoing=tuple(leaving.get(id_, ())),
            lane=lanes.get(id_, lane),
        )
    return Scope(nodes, flows, data.objects(element, reading), _compensations(element, nodes, reading))


def _node(element: etree._Element, lanes: dict[str, str], lane: str | None, reading: Reading) -> Node | None:
    name = tag(element)
    if name in _SUB_PROCESSES:
        return _sub_process(element, lanes, lanes.get(reading.id(element), lane), reading)
    if name in _NODES:
        return _NODES[name](element, reading)
    if name in _UNEXECUTED:
        reading.notice(element, "no-effect", f"a {name} has no effect: {_UNEXECUTED[name]}")
    elif name not in _SILENT and name not in _OF_SUB_PROCESS:
        reading.cannot_run(element, "not-executable", f"<{name}> is not executed")
    return None


def _gateway(element: etree._Element, reading: Reading) -> Gateway:
    kind = GatewayKind(tag(element))
    if kind is GatewayKind.COMPLEX:
        reading.cannot_run(element, "not-executable", "a complex gateway is not executed")
    if kind is GatewayKind.EVENT_BASED and element.get("eventGatewayType", "Exclusive").strip() == "Parallel":
        reading.cannot_run(element, "not-executable", "an event-based gateway of the type Parallel is not executed")
    return Gateway(
        **common(element, reading), kind=kind, default=default(element, reading), instantiate=flag(element, "instantiate")
    )


def _sub_process(element: etree._Element, lanes: dict[str, str], lane: str | None, reading: Reading) -> SubProcess:
    ad_hoc = tag(element) == "adHocSubProcess"
    if ad_hoc:
        reading.cannot_run(element, "not-executable", "an ad hoc sub-process is not executed")
    inner = _innermost(_lanes(element, reading))
    return SubProcess(
        **common(element, reading),
        **active(element, reading),
        body=scope(element, lanes | inner if inner else lanes, lane, reading),
        event=flag(element, "triggeredByEvent"),
        transaction=tag(element) == "transaction",
        ad_hoc=ad_hoc,
    )


_SUB_PROCESSES = frozenset({"subProcess", "transaction", "adHocSubProcess"})
_NODES: dict[str, Callable[[etree._Element, Reading], Node]] = {
    **dict.fromkeys(("startEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent", "endEvent"), event),
    **dict.fromkeys(
        ("task", "userTask", "manualTask", "serviceTask", "businessRuleTask", "scriptTask", "sendTask", "receiveTask"), task
    ),
    **dict.fromkeys((kind.value for kind in GatewayKind), _gateway),
    "callActivity": call,
}
_UNEXECUTED = {
    "dataStoreReference": "service tasks read and write what is stored",
    "correlationSubscription": "messages are matched by modelyard:correlation",
}
_OF_SUB_PROCESS = frozenset({"completionCondition"})


def _flows(element: etree._Element, nodes: dict[str, Node], reading: Reading) -> dict[str, Flow]:
    flows: dict[str, Flow] = {}
    for found in children(element, "sequenceFlow"):
        ends = [_end(found, name, nodes, reading) for name in ("sourceRef", "targetRef")]
        condition = reading.expression(child(found, "conditionExpression"))
        id_ = reading.id(found)
        flows[id_] = Flow(
            id=id_,
            source=ends[0],
            target=ends[1],
            name=found.get("name", ""),
            condition=condition,
            line=line(found),
            extensions=extensions(found, reading),
        )
    return flows


def _end(flow: etree._Element, attribute_: str, nodes: dict[str, Node], reading: Reading) -> str:
    """The node at an end of a sequence flow, which is of the same scope: a flow does not cross its boundary (7.6.1)."""
    written = (flow.get(attribute_) or "").strip()
    if not written:
        reading.problem(flow, f"the sequence flow has no {attribute_}")
    elif written not in nodes:
        found = reading.elements.get(written)
        where = "is not in the file" if found is None else f"is no node of the same process or sub-process (a {tag(found)})"
        reading.problem(flow, f"the {attribute_} {written!r} of the sequence flow {where}")
    return written


def _compensations(element: etree._Element, nodes: dict[str, Node], reading: Reading) -> tuple[tuple[str, str], ...]:
    """Associations from compensation events to their handlers (10.7.1); the direction that is drawn is not relied on."""
    found: list[tuple[str, str]] = []
    for association in children(element, "association"):
        ends = [(association.get(name) or "").strip() for name in ("sourceRef", "targetRef")]
        for boundary, handler in (ends, reversed(ends)):
            node = reading.elements.get(boundary)
            compensates = (
                node is not None and tag(node) == "boundaryEvent" and child(node, "compensateEventDefinition") is not None
            )
            if compensates and handler in nodes and boundary in nodes:
                found.append((boundary, handler))
                break
    return tuple(found)


def _lanes(element: etree._Element, reading: Reading) -> tuple[Lane, ...]:
    found: list[Lane] = []
    for lanes in children(element, "laneSet"):
        for lane in children(lanes, "lane"):
            _lane(lane, None, found, reading)
    return tuple(found)


def _lane(element: etree._Element, parent: str | None, found: list[Lane], reading: Reading) -> None:
    """An outer lane comes before those inside of it."""
    id_, name = reading.id(element), element.get("name", "")
    nodes = tuple(text(each) for each in children(element, "flowNodeRef") if text(each))
    for node in nodes:
        if node not in reading.elements:
            reading.notice(element, "unknown-reference", f"the lane names {node!r}, which is not in the file")
    found.append(Lane(id_, name, nodes, attribute(element, "role"), parent))
    for inner in children(element, "childLaneSet"):
        for lane in children(inner, "lane"):
            _lane(lane, id_, found, reading)


def _innermost(lanes: tuple[Lane, ...]) -> dict[str, str]:
    """The lane of each node: inner lanes come later, and win."""
    return {node: lane.id for lane in lanes for node in lane.nodes}
