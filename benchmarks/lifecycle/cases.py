"""The processes: one file each, which all sides read. Their conditions mean the same in FEEL and in Python."""

from __future__ import annotations

import re

RELEASE, LOOP, GATEWAYS = "release", "loop", "gateways"
ROWS = 10
"""Parallel gateways in a row."""

RELEASE_FLOWS = """
start -> register -> fork
fork -> test -> joined; fork -> document -> joined; fork -> scan -> joined
joined -> passes; passes -[score > 5]-> review; passes -> reject; reject -> end_rejected
review -> approved; approved -[votes > 1]-> canary; approved -> reject
canary -> promote -> end
"""
LOOP_FLOWS = "start -> again -> turn -> more; more -[n < {turns}]-> again; more -> end"

ANSWERS = {"test": {"score": 8}, "review": {"votes": 2}, "assess": {"score": 8}}
"""What tasks give."""


def flows(case: str, turns: int = 60) -> str:
    if case == RELEASE:
        return RELEASE_FLOWS
    if case == LOOP:
        return LOOP_FLOWS.replace("{turns}", str(turns))
    rows = [f"fork{i} -> a{i} -> join{i}; fork{i} -> b{i} -> join{i}" for i in range(ROWS)]
    chain = [f"join{i} -> fork{i + 1}" for i in range(ROWS - 1)]
    return "; ".join(["start -> fork0", *rows, *chain, f"join{ROWS - 1} -> end"])


def bpmn(case: str, turns: int = 60) -> str:
    """The file of a case: nodes are of the kind that their names say; a flow without a condition beside one is the default."""
    found: list[tuple[str, str, str | None]] = []
    for chain in filter(None, (part.strip() for part in re.split(r"[;\n]", flows(case, turns)))):
        names = re.split(r"\s*(-\[.*?\]->|->)\s*", chain)
        for source, arrow, target in zip(names[:-2:2], names[1::2], names[2::2], strict=True):
            found.append((source, target, arrow[2:-3] if arrow.startswith("-[") else None))
    nodes = dict.fromkeys(name for source, target, _ in found for name in (source, target))
    body = [_node(name, found) for name in nodes]
    body += [_flow(source, target, condition) for source, target, condition in found]
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'id="d" targetNamespace="urn:bench"><process id="{case}" isExecutable="true">{"".join(body)}</process></definitions>'
    )


_KINDS = (
    (r"start", "startEvent"),
    (r"end.*", "endEvent"),
    (r"fork\d*|join\d*|joined", "parallelGateway"),
    (r"passes|approved|again|more", "exclusiveGateway"),
)


def _node(name: str, found: list[tuple[str, str, str | None]]) -> str:
    kind = next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, name)), "userTask")
    incoming = [f"<incoming>{s}_{t}</incoming>" for s, t, _ in found if t == name]
    outgoing = [f"<outgoing>{s}_{t}</outgoing>" for s, t, _ in found if s == name]
    conditional = any(condition for s, _, condition in found if s == name)
    default = next((f' default="{s}_{t}"' for s, t, condition in found if s == name and conditional and not condition), "")
    return f'<{kind} id="{name}" name="{name}"{default}>{"".join(incoming + outgoing)}</{kind}>'


def _flow(source: str, target: str, condition: str | None) -> str:
    flow = f'<sequenceFlow id="{source}_{target}" sourceRef="{source}" targetRef="{target}"'
    if condition is None:
        return f"{flow}/>"
    text = condition.replace("<", "&lt;").replace(">", "&gt;")
    return f'{flow}><conditionExpression xsi:type="tFormalExpression">{text}</conditionExpression></sequenceFlow>'
