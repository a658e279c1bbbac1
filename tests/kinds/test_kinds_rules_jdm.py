"""GoRules JDM through `zen-engine`, an optional extra: the same promises as for DMN."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinds_rules_models import file, texts

from modelyard.core.errors import InvalidArtifact, InvalidInput
from modelyard.kinds.compliance import Good, KindCompliance
from modelyard.kinds.contract import Batch, Policy
from modelyard.kinds.registry import UnknownFormat
from modelyard.kinds.rules import jdm, kind
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

needs_engine = pytest.mark.skipif(not jdm.AVAILABLE, reason="zen-engine, which is optional, is not installed")


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """A chain of nodes from the request to the response."""
    ends = ({"id": "in", "name": "Request", "type": "inputNode"}, {"id": "out", "name": "Response", "type": "outputNode"})
    chain = [ends[0], *nodes, ends[1]]
    edges = [
        {"id": f"e{n}", "sourceId": left["id"], "targetId": right["id"], "type": "edge"}
        for n, (left, right) in enumerate(pairwise(chain))
    ]
    placed = [{"content": {}, "position": {"x": 0, "y": 0}} | node for node in chain]
    return {"contentType": "application/vnd.gorules.decision", "nodes": placed, "edges": edges}


RISK = {
    "id": "t",
    "name": "Risk",
    "type": "decisionTableNode",
    "content": {
        "hitPolicy": "first",
        "inputs": [{"id": "c1", "name": "Age", "field": "applicant.age"}, {"id": "c2", "name": "Status", "field": "status"}],
        "outputs": [{"id": "o1", "name": "Risk", "field": "risk"}, {"id": "o2", "name": "Points", "field": "points"}],
        "rules": [
            {"_id": "r1", "_description": "young", "c1": "< 25", "c2": "", "o1": '"high"', "o2": "1"},
            {"_id": "r2", "c1": "", "c2": "'member'", "o1": '"low"', "o2": "2.5"},
            {"_id": "r3", "c1": "", "c2": "", "o1": '"medium"', "o2": "applicant.age / 10"},
        ],
    },
}
FUNCTION = {"id": "f", "name": "Twice", "type": "functionNode", "content": {"source": "export const handler = async (x) => x;"}}
INPUTS = (
    FieldSpec(name="applicant.age", type=DataType.FP64, nullable=True),
    FieldSpec(name="status", type=DataType.BYTES, nullable=True),
)
SAMPLE: Batch = {"applicant.age": np.array([20.0, 42.0, 65.0]), "status": texts("member", "member", None)}


@needs_engine
class TestJdm(KindCompliance):
    kind = kind

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def good(self) -> list[Good]:
        path = file(self.folder / "risk.json", json.dumps(graph(RISK)))
        expected = {"risk": texts("high", "low", "medium"), "points": np.array([1.0, 2.5, 6.5])}
        return [Good(path, SAMPLE, Signature(inputs=INPUTS, outputs=()), expected)]

    def corrupt(self) -> list[Path]:
        unknown = graph(RISK | {"type": "magicNode"})
        other = graph({"id": "d", "name": "Elsewhere", "type": "decisionNode", "content": {"key": "other.json"}})
        texts_ = {"other.json": '{"a": 1}', "unknown.json": json.dumps(unknown), "elsewhere.json": json.dumps(other)}
        return [file(self.folder / f"bad-{name}", text) for name, text in texts_.items()]


@needs_engine
def test_outputs_are_told_by_the_last_table(tmp_path: Path) -> None:
    path = file(tmp_path / "risk.json", json.dumps(graph(RISK)))
    inspection = kind.inspect(path, Policy())
    assert (inspection.format, inspection.signature, inspection.executes_code) == ("jdm", None, False)
    made = kind.load(path, inspection, Signature(inputs=INPUTS, outputs=()), Policy())
    assert [(o.name, o.type, o.role) for o in made.signature.outputs] == [
        ("risk", DataType.BYTES, Role.LABEL),
        ("points", DataType.FP64, Role.OTHER),
    ]


@needs_engine
def test_jdm_is_explained_and_observed_by_its_rules(tmp_path: Path) -> None:
    path = file(tmp_path / "risk.json", json.dumps(graph(RISK)))
    made = kind.load(path, kind.inspect(path, Policy()), Signature(inputs=INPUTS, outputs=()), Policy())
    told = made.explain(SAMPLE)
    assert told[0].text == 'Rule 1 of \'Risk\' fired: applicant.age 20 meets < 25 → {"risk":"high","points":1} (young).'
    assert [a.field for a in told[0].attributions] == ["applicant.age"]
    assert made.observe(SAMPLE)["Risk"].tolist() == ["1", "2", "3"]


def test_javascript_in_a_graph_is_a_risk(tmp_path: Path) -> None:
    found = jdm.inspect(file(tmp_path / "f.json", json.dumps(graph(FUNCTION))), Policy())
    assert found.executes_code
    assert [risk.code for risk in found.risks] == ["javascript"]
    with pytest.raises(InvalidInput, match="declare"):
        jdm.outputs(jdm.read(tmp_path / "f.json", Policy()))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"nodes": 1, "edges": []}', '{"nodes": [], "edges": []}', '{"nodes": [1], "edges": []}']
)
def test_json_of_another_kind_is_left_to_that_kind(tmp_path: Path, text: str) -> None:
    with pytest.raises((UnknownFormat, InvalidArtifact)):
        jdm.read(file(tmp_path / "a.json", text), Policy())
