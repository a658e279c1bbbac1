"""Decision models are served in the runtime's own process: answers, refusals, and the rows around a bad one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from runtime_stage import ControlPlane, RunningRuntime

from modelyard.decisions import DecisionReader, Window
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
from modelyard.trust.statements import Arm, ArmRole

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="Fare" namespace="https://example.org/fare">
<itemDefinition name="tClass"><typeRef>string</typeRef>
<allowedValues><text>"first", "second"</text></allowedValues></itemDefinition>
<inputData id="i1" name="Class"><variable name="Class" typeRef="tClass"/></inputData>
<inputData id="i2" name="Distance"><variable name="Distance" typeRef="number"/></inputData>
<inputData id="i3" name="Day"><variable name="Day" typeRef="date"/></inputData>
<inputData id="i4" name="Member"><variable name="Member" typeRef="boolean"/></inputData>
<decision id="d1" name="Fare"><variable name="Fare"/>
<informationRequirement><requiredInput href="#i1"/></informationRequirement>
<informationRequirement><requiredInput href="#i2"/></informationRequirement>
<informationRequirement><requiredInput href="#i3"/></informationRequirement>
<informationRequirement><requiredInput href="#i4"/></informationRequirement>
<decisionTable id="t1" hitPolicy="FIRST">
<input><inputExpression typeRef="string"><text>Class</text></inputExpression></input>
<input><inputExpression typeRef="date"><text>Day</text></inputExpression></input>
<input><inputExpression typeRef="boolean"><text>Member</text></inputExpression></input>
<output name="price" typeRef="number"/><output name="band" typeRef="string"/>
<rule id="r1"><inputEntry><text>"first"</text></inputEntry>
<inputEntry><text>-</text></inputEntry><inputEntry><text>-</text></inputEntry>
<outputEntry><text>Distance * 0.3</text></outputEntry><outputEntry><text>"A"</text></outputEntry></rule>
<rule id="r2"><inputEntry><text>-</text></inputEntry><inputEntry><text>&gt;= date("2024-12-24")</text></inputEntry>
<inputEntry><text>true</text></inputEntry>
<outputEntry><text>0</text></outputEntry><outputEntry><text>"gift"</text></outputEntry></rule>
<rule id="r3"><inputEntry><text>"second"</text></inputEntry>
<inputEntry><text>-</text></inputEntry><inputEntry><text>-</text></inputEntry>
<outputEntry><text>Distance * 0.1</text></outputEntry><outputEntry><text>"B"</text></outputEntry></rule>
</decisionTable></decision></definitions>
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRuntime]:
    folder = tmp_path_factory.mktemp("rules")
    (path := folder / "fare.dmn").write_text(MODEL)
    signature = registry.kind("rules").inspect(path, Policy()).signature
    assert signature is not None
    plane = ControlPlane(folder)
    manifest = plane.version(MODEL.encode(), signature, "dmn", "rules")
    release = plane.release(manifest, "7")
    champion = Arm(name="fares", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
    plane.publish(plane.endpoint(champion))
    runtime = RunningRuntime(plane, folder / "home")
    runtime.at_epoch(1)
    yield runtime
    assert runtime.stop() == 0


def ask(running: RunningRuntime, rows: list[tuple[Any, ...]]) -> Any:
    kinds = (("Class", "BYTES"), ("Distance", "FP64"), ("Day", "BYTES"), ("Member", "BOOL"))
    inputs = [
        {"name": name, "datatype": kind, "shape": [len(rows)], "data": [row[place] for row in rows]}
        for place, (name, kind) in enumerate(kinds)
    ]
    return running.client.post("/v2/models/hold/infer", json={"inputs": inputs})


def test_rows_are_answered_by_the_rules(running: RunningRuntime) -> None:
    rows = [("first", 100, None, None), ("second", 12.5, "2024-12-24", True), ("second", 0.3, "2024-12-25", False)]
    answer = ask(running, rows)
    assert answer.status_code == 200, answer.text
    outputs = {output["name"]: output for output in answer.json()["outputs"]}
    assert outputs["Fare.price"]["data"] == [30.0, 0.0, 0.03]
    assert outputs["Fare.band"]["data"] == ["A", "gift", "B"]
    assert outputs["Fare.price"]["datatype"] == "FP64"


def test_where_no_rule_fires_the_answer_is_null_and_logged_as_such(running: RunningRuntime) -> None:
    answer = ask(running, [(None, 5, None, None)]).json()
    assert [output["data"] for output in answer["outputs"]] == [[None], [None]]
    (identity,) = answer["parameters"]["decision_ids"]
    rows = DecisionReader(running.home / "decisions").scan(Window(), ["id", "output", "inputs"]).to_pylist()
    logged = next(row for row in rows if row["id"] == identity)
    assert json.loads(logged["output"]) == {"Fare.price": None, "Fare.band": None}
    assert json.loads(logged["inputs"])["Class"] is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("third", 5, None, None), "not an allowed value"),
        (("first", "far", None, None), "Distance"),
        (("first", 5, "yesterday", None), "no date"),
        (("first", 5, None, "yes"), "Member"),
    ],
)
def test_what_the_model_does_not_take_is_refused_with_the_field(running: RunningRuntime, row: tuple[Any, ...], told: str) -> None:
    answer = ask(running, [row])
    assert answer.status_code in (400, 422), answer.text
    assert told in answer.text
