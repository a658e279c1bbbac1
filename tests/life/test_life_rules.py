"""Rules as models: registered, checked, deployed and watched until a rule stops firing, all by the platform's own worker."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.catalog.commands import RegisterModel, RegisterUseCase
from modelyard.catalog.model import Version
from modelyard.core.errors import InvalidInput
from modelyard.core.records import equals, every
from modelyard.decisions import DecisionLog, Rows
from modelyard.evaluation.commands import RunChecks
from modelyard.evaluation.registration import Declared, Registration, prepare
from modelyard.governance.assurance.model import EVIDENCE, EvidenceType
from modelyard.jobs import Queue
from modelyard.kinds.signature import DataType, FieldSpec, Role
from modelyard.monitoring import ALERTS, MONITOR_RUNS, MONITORS, FigureLevel
from modelyard.worker.duties import loops
from modelyard.worker.jobs import run_next
from modelyard.worker.observing import SandboxObserver
from tests.life.conftest import DANA, START, House

pytestmark = pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)

LIMIT = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="Limit" namespace="https://example.org/limit">
<itemDefinition name="tAge"><typeRef>number</typeRef><allowedValues><text>[18..120]</text></allowedValues></itemDefinition>
<inputData id="i_age" name="age"><variable name="age" typeRef="tAge"/></inputData>
<inputData id="i_income" name="income"><variable name="income" typeRef="number"/></inputData>
<decision id="d" name="Limit"><variable name="Limit" typeRef="string"/>
<informationRequirement><requiredInput href="#i_age"/></informationRequirement>
<informationRequirement><requiredInput href="#i_income"/></informationRequirement>
<decisionTable id="t" hitPolicy="UNIQUE">
<input><inputExpression typeRef="number"><text>age</text></inputExpression></input>
<input><inputExpression typeRef="number"><text>income</text></inputExpression></input>
<output typeRef="string"/>
<rule id="r1"><inputEntry><text>&lt; 25</text></inputEntry><inputEntry><text>-</text></inputEntry>
<outputEntry><text>"low"</text></outputEntry></rule>
<rule id="r2"><inputEntry><text>&gt;= 25</text></inputEntry><inputEntry><text>&lt; 3000</text></inputEntry>
<outputEntry><text>"low"</text></outputEntry></rule>
<rule id="r3"><inputEntry><text>&gt;= 25</text></inputEntry><inputEntry><text>&gt;= 3000</text></inputEntry>
<outputEntry><text>"high"</text></outputEntry></rule>
</decisionTable></decision></definitions>
"""


def people(rows: int, youngest: float = 18.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(11)
    return {"age": np.round(random.uniform(youngest, 70, rows)), "income": np.round(random.uniform(500, 6000, rows), 2)}


def registration(house: House, sample: bool = True, **given: object) -> Registration:
    (path := house.folder / "limit.dmn").write_text(LIMIT)
    fields: dict[str, object] = {"model": "credit-rules", "artifact": house.upload(path), "filename": "limit.dmn"}
    if sample:
        pq.write_table(pa.table(people(1_000)), house.folder / "people.parquet")
        fields["sample"] = house.upload(house.folder / "people.parquet")
    return Registration.model_validate(fields | given)


def registered(house: House) -> Version:
    house.do(DANA, RegisterUseCase(name="credit", tier="medium"))
    house.do(DANA, RegisterModel(name="credit-rules", use_case="credit", kind="rules"))
    command, _, _ = prepare(house.platform.desk, registration(house))
    found = house.do(DANA, command)
    assert isinstance(found, Version)
    return found


def test_what_the_author_wrote_into_the_model_is_declared(house: House) -> None:
    """A sample neither widens nor narrows the types and bounds of item definitions; a declared field still replaces one."""
    for asked in (registration(house), registration(house, sample=False)):
        command, _, sentence = prepare(house.platform.desk, asked)
        age, income = command.signature.inputs
        assert (age.name, age.type, age.minimum, age.maximum, age.nullable) == ("age", DataType.FP64, 18, 120, True)
        assert (income.minimum, income.nullable) == (None, True)
        assert command.signature.outputs[0].allowed == ("low", "high")
        assert (command.inspection.kind, command.artifact.format, sentence) == ("rules", "dmn", "")
    stricter = FieldSpec(name="age", type=DataType.FP64, role=Role.PROTECTED, minimum=21)
    command, _, _ = prepare(house.platform.desk, registration(house, signature=Declared(inputs=(stricter,))))
    assert command.signature.input("age") == stricter


def checked_and_served(house: House) -> Version:
    """Deployed, then checked: the report with the reference profile is the latest one when the arms' monitors are made."""
    version = registered(house)
    house.serving_of(version)
    house.later(seconds=1)
    house.do(DANA, RunChecks(version=version.name))
    assert run_next(house.platform, Queue(house.platform.storage, house.clock, house.platform.ids), "worker-1")
    return version


def log(house: House, version: Version, columns: dict[str, np.ndarray], week: int) -> None:
    rows = len(columns["age"])
    shared = {
        "organisation": "default", "use_case": "credit", "endpoint": "credit", "epoch": 1, "manifest": version.manifest_digest,
        "requested_arm": "champion", "answered_arm": "champion", "role": "champion", "decision_time": START,
    }  # fmt: skip
    inputs = [json.dumps({name: column[row] for name, column in columns.items()}) for row in range(rows)]
    per_row = {
        "id": [f"w{week}-{row:05d}" for row in range(rows)],
        "inputs": inputs,
        "output": ['{"Limit":"low"}'] * rows,
        "event_time": [START + timedelta(weeks=week, days=1, seconds=row) for row in range(rows)],
    }
    with DecisionLog(house.platform.settings.runtime_folder / "decisions", f"writer-{week}", clock=house.clock) as decisions:
        decisions.append(Rows(rows, per_row, shared))


def turn(house: House, name: str) -> None:
    next(loop for loop in loops(house.platform) if loop.name == name).step()


def test_a_rule_that_stops_firing_opens_an_alert(house: House) -> None:
    version = checked_and_served(house)
    with house.platform.storage.reading() as tx:
        report = every(tx, EVIDENCE, equals("type", EvidenceType.TEST_REPORT))[-1]
    assert report.metrics["checks_failed"] == 0, report.summary
    assert "rules that the sample covers" in {check["name"] for check in report.facts["checks"]}
    turn(house, "outbox")
    with house.platform.storage.reading() as tx:
        monitor = next(m for m in every(tx, MONITORS) if m.name.endswith("-observed"))
    assert [field.path for field in monitor.fields] == ["observed.Limit"]

    log(house, version, people(900), 0)
    log(house, version, people(900, youngest=25.0), 1)
    log(house, version, people(50), 2)
    house.later(days=30)
    turn(house, "monitors")
    with house.platform.storage.reading() as tx:
        calm, changed = sorted(every(tx, MONITOR_RUNS, equals("monitor_id", monitor.id)), key=lambda run: run.window_from)[:2]
        alerts = every(tx, ALERTS, equals("monitor_id", monitor.id))
    assert {figure.level for figure in calm.figures} == {FigureLevel.OK}
    silent = next(figure for figure in changed.figures if figure.measure == "silent_categories")
    assert (silent.level, silent.value, silent.rows) == (FigureLevel.WARNING, 1, 900)
    assert "silent_categories|observed.Limit|" in {alert.key for alert in alerts}


def test_logged_decisions_are_seen_happening_again_row_by_row(house: House) -> None:
    version = registered(house)
    observer = SandboxObserver(house.platform)
    rows = ['{"age": 20, "income": 1}', None, "not json", '{"age": 40.5, "income": 9000}', '{"age": null, "income": 5}']
    found = observer.observe(version.manifest_digest, rows)
    assert [row and json.loads(row)["Limit"] for row in found] == ["1", None, None, "3", "none"]
    assert observer.observe(version.manifest_digest, [None]) == [None]


def test_a_model_of_another_kind_observes_nothing(house: House) -> None:
    house.use_case()
    version = house.version()
    with pytest.raises(InvalidInput, match="observes nothing"):
        SandboxObserver(house.platform).observe(version.manifest_digest, ['{"amount": 1, "age": 2, "tenure": 3}'])
