"""The fields that all nodes of a process have (BPMN 2.0.2, 8.4.5 and 8.4.8)."""

from __future__ import annotations

from typing import Any, TypedDict

from lxml import etree

from modelyard.bpmn.reading.context import Reading, line
from modelyard.bpmn.reading.extensions import extensions
from modelyard.bpmn.reading.tree import children, text


class Common(TypedDict):
    """The arguments of `model.FlowNode`."""

    id: str
    name: str
    documentation: str
    incoming: tuple[str, ...]
    outgoing: tuple[str, ...]
    lane: str | None
    line: int | None
    extensions: dict[str, Any]


def common(element: etree._Element, reading: Reading) -> Common:
    """Flows and lane are left for those who know the scope."""
    return Common(
        id=reading.id(element),
        name=element.get("name", ""),
        documentation=documentation(element),
        incoming=(),
        outgoing=(),
        lane=None,
        line=line(element),
        extensions=extensions(element, reading),
    )


def documentation(element: etree._Element) -> str:
    return "\n\n".join(written for each in children(element, "documentation") if (written := text(each)))
