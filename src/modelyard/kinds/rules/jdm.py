"""GoRules JDM (a JSON graph of tables, expressions and switches), read without running it. `zen-engine` evaluates it.

JDM declares no types: the signature is declared, or inferred from a sample. Outputs that nobody declares are the columns of the
tables and the keys of the expressions that lead to the response, typed by their constants.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core.errors import InvalidArtifact, InvalidInput
from modelyard.kinds import reading
from modelyard.kinds.contract import Inspection, Policy, Risk, Severity
from modelyard.kinds.registry import UnknownFormat
from modelyard.kinds.signature import DataType, FieldSpec, Role

FORMAT = "jdm"
AVAILABLE = find_spec("zen") is not None
_LARGEST = 64 << 20
_TYPES = frozenset(
    {"inputNode", "outputNode", "functionNode", "decisionNode", "decisionTableNode", "expressionNode", "switchNode", "customNode"}
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")
_TEXT = re.compile(r"""("[^"]*"|'[^']*')\Z""")


@dataclass(frozen=True)
class Document:
    """The graph, and its bytes as they were read."""

    nodes: tuple[Mapping[str, Any], ...]
    edges: tuple[Mapping[str, Any], ...]
    data: bytes

    def of_type(self, *types: str) -> list[Mapping[str, Any]]:
        return [node for node in self.nodes if node["type"] in types]

    def last(self) -> list[Mapping[str, Any]]:
        """The nodes that lead to the response."""
        responses = {node["id"] for node in self.of_type("outputNode")}
        leading = {edge.get("sourceId") for edge in self.edges if edge.get("targetId") in responses}
        return [node for node in self.nodes if node["id"] in leading]


def is_jdm(start: bytes) -> bool:
    """Whether the first bytes may be those of a JDM file."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def read(path: Path, policy: Policy) -> Document:
    """The graph. Raises UnknownFormat for JSON of another kind, InvalidArtifact for a graph that cannot be evaluated."""
    if reading.size_of(path, policy) > _LARGEST:
        raise reading.too_large(path.name, _LARGEST)
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnknownFormat(f"not whole JSON: {error}", field="artifact") from error
    if not isinstance(found, dict) or not _has_graph(found):
        raise UnknownFormat("JSON that is not GoRules JDM", field="artifact")
    document = Document(tuple(found["nodes"]), tuple(found["edges"]), data)
    _check(document)
    return document


def _has_graph(found: dict[str, Any]) -> bool:
    nodes, edges = found.get("nodes"), found.get("edges")
    if not isinstance(nodes, list) or not isinstance(edges, list) or not all(isinstance(e, dict) for e in (*nodes, *edges)):
        return False
    return any(node.get("type") in _TYPES for node in nodes)


def _check(document: Document) -> None:
    for node in document.nodes:
        if node.get("type") not in _TYPES or not isinstance(node.get("id"), str):
            raise InvalidArtifact(
                f"node {node.get('id')!r:.40} is of the unknown type {node.get('type')!r:.40}", field="artifact"
            )
        if node["type"] in {"decisionNode", "customNode"}:
            raise InvalidArtifact(f"node {_name(node)!r} needs another file or a handler of its own", field="artifact")
    if not document.of_type("inputNode"):
        raise InvalidArtifact("the graph has no request to start from", field="artifact")


def inspect(path: Path, policy: Policy) -> Inspection:
    """What can be said of a JDM file."""
    document = read(path, policy)
    functions = [_name(node) for node in document.of_type("functionNode")]
    detail = f"{', '.join(functions)}: JavaScript of its author, run by the engine's own interpreter"
    risks = (Risk(code="javascript", severity=Severity.WARNING, detail=detail),) if functions else ()
    counts = {kind: len(document.of_type(kind)) for kind in sorted({str(node["type"]) for node in document.nodes})}
    return Inspection(
        kind="rules",
        format=FORMAT,
        executes_code=bool(functions),
        risks=risks,
        requirements=("zen-engine",),
        facts={"nodes": counts, "tables": [_name(node) for node in document.of_type("decisionTableNode")]},
    )


def outputs(document: Document) -> tuple[FieldSpec, ...]:
    """The outputs that the graph itself tells. Raises InvalidInput when it tells none: then they must be declared."""
    found = {name: kind for node in document.last() for name, kind in _given(node)}
    if not found:
        raise InvalidInput("the graph does not tell its outputs", field="signature.outputs", hint="declare them")
    label = next((name for name, kind in found.items() if kind is DataType.BYTES), None)
    label = label or next((name for name, kind in found.items() if kind is DataType.BOOL), None)
    score = None if label else next(iter(found))
    roles = {label: Role.LABEL, score: Role.SCORE}
    return tuple(FieldSpec(name=n, type=k, role=roles.get(n, Role.OTHER), nullable=True) for n, k in found.items())


def _given(node: Mapping[str, Any]) -> Iterator[tuple[str, DataType]]:
    """Names and types of what a table or an expression node gives."""
    content = node.get("content") or {}
    prefix = f"{content['outputPath']}." if content.get("outputPath") else ""
    if node["type"] == "decisionTableNode" and content.get("hitPolicy", "first") == "first":
        for column in content.get("outputs", ()):
            texts = [str(rule.get(column.get("id"), "")) for rule in content.get("rules", ())]
            yield prefix + str(column.get("field") or column.get("name")), _type_of(texts)
    if node["type"] == "expressionNode":
        for expression in content.get("expressions", ()):
            yield prefix + str(expression.get("key")), _type_of([str(expression.get("value", ""))])


def _type_of(texts: Sequence[str]) -> DataType:
    """The type of the constants among expressions; text where they disagree or there is none."""
    kinds = {kind for text in texts if (kind := _constant(text.strip())) is not None}
    return kinds.pop() if len(kinds) == 1 else DataType.BYTES


def _constant(text: str) -> DataType | None:
    if _NUMBER.match(text):
        return DataType.FP64
    if text in {"true", "false"}:
        return DataType.BOOL
    return DataType.BYTES if _TEXT.match(text) else None


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("name") or node.get("id"))
