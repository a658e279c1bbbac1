"""The life cycles that come with the platform: sound, tested to the last flow, drawn, and about commands and events there are."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from lxml import etree

import modelyard
from modelyard import bpmn
from modelyard.bootstrap import READABLE_TABLES, event_types
from modelyard.bpmn.lint import lint
from modelyard.bpmn.model import Activity, CallActivity, Event, Flow, Node, Process, Scope, SubProcess, Task, TaskKind, Trigger
from modelyard.bpmn.scenarios import ScenarioFile, parse, run
from modelyard.bpmn.simulation import sampled, simulate
from modelyard.catalog.model import USE_CASES, VERSION_STATES, Version
from modelyard.core.errors import Refused
from modelyard.core.messages import SYSTEM, Actor, ActorKind, Command, Subject
from modelyard.delivery.commands import StopArm
from modelyard.delivery.model import ENDPOINTS
from modelyard.governance.identity.model import Role
from modelyard.governance.policy.cedar import Question, default_text, policies_of
from modelyard.governance.releases.model import REVOCATIONS
from modelyard.kinds.signature import DataType
from modelyard.lifecycle.commands import RecordResult
from modelyard.lifecycle.model import INSTANCES, WORK, Instance
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.tasks.forms import fill
from modelyard.monitoring import ALERTS, CreateMonitor, Monitor, Watch
from modelyard.monitoring.commands import RecordRun
from modelyard.monitoring.model import Figure, FigureLevel, RunFigures, WatchedField
from tests.lifecycle.lifecycle_yard import CAST, Yard

FOLDER = Path(modelyard.__file__).parent / "lifecycle" / "processes"
DOCS = Path(__file__).parents[2] / "docs"
NAMES = sorted(file.stem for file in FOLDER.glob("*.bpmn"))
SHIPPED = [
    "emergency-change", "model-release", "monitoring-response", "order-conflict", "periodic-revalidation", "retirement",
    "use-case-intake",
]  # fmt: skip

GIVEN_BY_A_DECISION = {"verdict", "comments", "conditions"}
ABOUT_THE_TASK = {"role", "candidates", "exclude", "title", "requester", "tier"}
KEYWORDS = {
    "type", "properties", "required", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "minItems", "maxItems", "items", "additionalProperties", "title", "description", "default", "format",
}  # fmt: skip
DAY = 86_400.0

each_process = pytest.mark.parametrize("name", NAMES)


def definitions(name: str) -> bpmn.Definitions:
    return bpmn.read((FOLDER / f"{name}.bpmn").read_bytes())


def process(name: str) -> Process:
    (found,) = definitions(name).processes
    return found


def forms(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.forms.json").read_text("utf-8"))
    return found


def scenarios(name: str) -> ScenarioFile:
    return parse((FOLDER / f"{name}.scenarios.yaml").read_text("utf-8"), name, yaml.safe_load)


def elements(scope: Scope) -> Iterator[Node | Flow]:
    for node in scope.nodes.values():
        yield node
        if isinstance(node, SubProcess):
            yield from elements(node.body)
    yield from scope.flows.values()


def tasks(name: str, *kinds: TaskKind) -> list[Task]:
    return [e for e in elements(process(name).body) if isinstance(e, Task) and e.kind in kinds]


@cache
def commands() -> dict[str, type[Command]]:
    """Every command of the platform by its action."""
    for module in pkgutil.walk_packages(modelyard.__path__, "modelyard."):
        if module.name.endswith("commands") and ".cli" not in module.name and ".api" not in module.name:
            importlib.import_module(module.name)
    found: dict[str, type[Command]] = {}
    waiting = [*Command.__subclasses__()]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "action" in vars(kind) and kind.__module__.startswith("modelyard."):
            found[kind.action] = kind
    return found


def required(command: type[Command]) -> set[str]:
    return {name for name, field in command.model_fields.items() if field.is_required()}


def may(actor: Actor, action: str) -> bool:
    """Whether the policies that ship permit it of something that nobody involved has built, asked for or written."""
    attributes = {"developers": ["idn_other"], "requester": "idn_another", "stage": "production", "tier": "low"}
    if action == "governance.record_evidence":
        attributes["evidence_type"] = "validation"
    question = Question(actor, action, Subject(type="anything", id="1", attributes=attributes), reason_given=True)
    return policies_of(default_text()).ask(question).allowed


def person(role: str) -> Actor:
    return Actor(id="idn_one", kind=ActorKind.PERSON, roles=frozenset({role}))


def roles_of(name: str, task: Task) -> set[str]:
    lanes = {lane.id: lane.role for lane in process(name).lanes}
    text = task.extensions.get("role") or lanes.get(task.lane or "") or ""
    return {role.strip() for role in str(text).split(",") if role.strip()}


def test_the_life_cycles_are_there() -> None:
    assert NAMES == SHIPPED
    assert [process(name).id for name in NAMES] == SHIPPED


@each_process
def test_it_is_without_errors_and_warnings(name: str) -> None:
    assert [str(finding) for finding in lint(definitions(name)) if finding.severity != "note"] == []


@each_process
@pytest.mark.parametrize("restoring", [False, True], ids=["straight", "restoring"])
def test_its_scenarios_pass_and_see_every_node_and_flow(name: str, restoring: bool) -> None:
    report = run(definitions(name), scenarios(name), restoring=restoring)
    assert [line for line in report.lines if not line.startswith("passed")] == ["100% of nodes and flows were seen"]


@each_process
def test_what_it_does_are_commands_with_fields_that_there_are(name: str) -> None:
    for task in tasks(name, TaskKind.SERVICE):
        operation, given = task.operation or "", {each.target for each in task.inputs}
        if operation.startswith("read."):
            table = {table.name: table for table in READABLE_TABLES}[operation.removeprefix("read.")]
            assert given, f"{task.id} would read by whatever is in scope"
            assert given <= {"id", *table.indexed}, f"{task.id} reads by fields that are not indexed"
            continue
        command = commands()[operation]
        assert given <= set(command.model_fields), f"{task.id} gives fields that {operation} does not have"
        assert required(command) <= given, f"{task.id} does not give all that {operation} needs"


@each_process
def test_what_people_do_are_commands_that_the_inputs_the_form_and_the_decision_fill(name: str) -> None:
    for task in tasks(name, TaskKind.USER):
        if task.operation is None:
            continue
        asked = forms(name).get(str(task.extensions.get("form")), {}).get("properties", {})
        given = {each.target for each in task.inputs} - ABOUT_THE_TASK | set(asked) | GIVEN_BY_A_DECISION
        command = commands()[task.operation]
        assert required(command) <= given, f"{task.id} does not give all that {task.operation} needs"


@each_process
def test_an_input_does_not_hide_what_a_later_one_speaks_of(name: str) -> None:
    """Inputs are set in order: after `version = version.id` there is no `version.developer`."""
    for node in elements(process(name).body):
        hidden: set[str] = set()
        for each in node.inputs if isinstance(node, Activity) else ():
            plain = re.sub(r'"[^"]*"', "", each.expression)
            spoken = set(re.findall(r"(?<![\w.])[a-z_]\w*(?!\w|\s*:)", plain))
            assert not spoken & hidden, f"{node.id}: {each.target} speaks of {spoken & hidden}, which is an input before it"
            hidden.add(each.target)


@each_process
def test_the_platform_does_only_what_it_may_and_people_have_a_role_that_may(name: str) -> None:
    people = {task.id: task for task in tasks(name, TaskKind.USER)}
    for task in tasks(name, TaskKind.SERVICE):
        action, authority = task.operation or "", task.extensions.get("authority")
        if authority is None:
            assert may(SYSTEM, "read" if action.startswith("read.") else action), f"{task.id}: the platform may not"
        else:
            roles = roles_of(name, people[str(authority)])
            assert any(may(person(role), action) for role in roles), f"{task.id}: none of {roles} may {action}"
    for task in people.values():
        roles = roles_of(name, task)
        assert roles <= {role.value for role in Role}, f"{task.id} is for roles that there are not"
        assert roles, f"{task.id} is in nobody's inbox"
        if task.operation is not None:
            assert any(may(person(role), task.operation) for role in roles), f"{task.id}: none of {roles} may {task.operation}"


@each_process
def test_an_overdue_task_goes_to_other_roles(name: str) -> None:
    for task in tasks(name, TaskKind.USER):
        more = {role for role in str(task.extensions.get("escalateTo", "")).split(",") if role}
        assert more <= {role.value for role in Role}
        assert "dueIn" in task.extensions, f"{task.id} is never due"


@each_process
def test_it_waits_for_events_that_there_are(name: str) -> None:
    known, own = set(event_types().names()), process(name).body.nodes
    waiting = [e for e in elements(process(name).body) if isinstance(e, Event)]
    for event, waits in ((one, each) for one in waiting for each in one.definitions):
        if waits.trigger is Trigger.MESSAGE:
            assert waits.name in known
            starts = event.position == "startEvent" and event.id in own
            assert (waits.correlation is None) == starts, f"{event.id}: an event that starts has no key, any other has one"


def test_what_is_called_is_shipped_too() -> None:
    called = {e.called for name in NAMES for e in elements(process(name).body) if isinstance(e, CallActivity)}
    assert called == {"model-release", "retirement"}


@each_process
def test_its_forms_are_json_schemas_of_the_subset_and_all_are_used(name: str) -> None:
    asked = {str(task.extensions["form"]) for task in tasks(name, TaskKind.USER) if "form" in task.extensions}
    assert asked == set(forms(name))
    for form in forms(name).values():
        jsonschema_rs.Draft202012Validator(form)
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **form})
        assert form["type"] == "object"
        for schema in schemas(form):
            assert set(schema) <= KEYWORDS
            assert schema.get("additionalProperties", False) is False
            assert schema.get("format", "date") in ("date", "date-time")
            assert set(schema.get("required", ())) <= set(schema.get("properties", {}))


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for inner in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from schemas(inner)


@each_process
def test_what_people_fill_in_in_scenarios_is_what_the_forms_ask_for(name: str) -> None:
    told = {"by", "verdict", "comments", "conditions", "decisions", "result"}
    by_id = {task.id: task for task in tasks(name, TaskKind.USER)}
    filled = set()
    for step in (step for scenario in scenarios(name).scenarios for step in scenario.steps):
        if step.verb == "complete" and step.given in by_id and not step.beside.get("refused"):
            form = str(by_id[step.given].extensions.get("form"))
            fill(forms(name).get(form), {key: value for key, value in step.beside["result"].items() if key not in told})
            filled.add(form)
    assert filled - {"None"} == set(forms(name)), "fill says what a form would not take; here some were never filled in"


# --- simulation -----------------------------------------------------------------------------------------------------------------

LEAD = {
    "emergency-change": (0.5, 5),
    "model-release": (14, 60),
    "monitoring-response": (2, 60),
    "order-conflict": (0.01, 0.5),
    "periodic-revalidation": (365, 1200),
    "retirement": (1.5, 30),
    "use-case-intake": (3, 30),
}
"""Days within which the mean lead time is plausible."""


@each_process
def test_played_it_ends_in_a_plausible_time(name: str) -> None:
    report = simulate(definitions(name), scenario=sampled(scenarios(name)), runs=60, seed=1)
    assert report.unfinished == {}
    low, high = LEAD[name]
    assert low < report.lead.mean / DAY < high
    assert report.cost.mean > 0
    assert report.bottleneck is not None


# --- diagrams -------------------------------------------------------------------------------------------------------------------

DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
DC = "{http://www.omg.org/spec/DD/20100524/DC}"
WAYPOINT = "{http://www.omg.org/spec/DD/20100524/DI}waypoint"
Box = tuple[float, float, float, float]


def boxes(name: str) -> dict[str, Box]:
    tree = etree.parse(FOLDER / f"{name}.bpmn")
    return {str(shape.get("bpmnElement")): _box(shape.find(f"{DC}Bounds")) for shape in tree.iter(f"{DI}BPMNShape")}


def _box(bounds: Any) -> Box:
    x, y, width, height = (float(bounds.get(side)) for side in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def lines(name: str) -> dict[str, list[tuple[float, float]]]:
    tree = etree.parse(FOLDER / f"{name}.bpmn")
    return {
        str(edge.get("bpmnElement")): [(float(str(p.get("x"))), float(str(p.get("y")))) for p in edge.iter(WAYPOINT)]
        for edge in tree.iter(f"{DI}BPMNEdge")
    }


def inside(inner: Box, outer: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@each_process
def test_its_diagram_shows_every_node_lane_and_flow(name: str) -> None:
    found, drawn = process(name), boxes(name)
    flows = {e.id for e in elements(found.body) if isinstance(e, Flow)}
    nodes = {e.id for e in elements(found.body)} - flows
    assert set(drawn) == nodes | {lane.id for lane in found.lanes} | {"pool"}
    assert set(lines(name)) == flows
    assert all(inside(box, drawn["pool"]) for box in drawn.values())
    for lane in found.lanes:
        assert all(inside(drawn[node], drawn[lane.id]) for node in lane.nodes if node not in _attached(found))


def _attached(found: Process) -> dict[str, str]:
    return {e.id: e.attached_to for e in elements(found.body) if isinstance(e, Event) and e.attached_to is not None}


@each_process
def test_no_two_shapes_overlap(name: str) -> None:
    found, drawn = process(name), boxes(name)
    attached, nested = _attached(found), _nested(found.body)
    alone = [id_ for id_ in drawn if id_ != "pool" and id_ not in {lane.id for lane in found.lanes}]
    for one, other in combinations(alone, 2):
        together = other in nested.get(one, ()) or one in nested.get(other, ())
        touching = attached.get(one) == other or attached.get(other) == one
        assert together or touching or apart(drawn[one], drawn[other]), f"{one} lies on {other}"
    for outer, inner in nested.items():
        assert all(inside(drawn[id_], drawn[outer]) for id_ in inner)


def _nested(scope: Scope) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in scope.nodes.values():
        if isinstance(node, SubProcess):
            found |= _nested(node.body)
            found[node.id] = {e.id for e in elements(node.body) if not isinstance(e, Flow)}
    return found


@each_process
def test_flows_run_from_shape_to_shape_at_right_angles(name: str) -> None:
    drawn, drawn_lines = boxes(name), lines(name)
    for flow in elements(process(name).body):
        if isinstance(flow, Flow):
            points = drawn_lines[flow.id]
            assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(points)), f"{flow.id} is slanted"
            assert _touches(points[0], drawn[flow.source]), f"{flow.id} does not begin at {flow.source}"
            assert _touches(points[-1], drawn[flow.target]), f"{flow.id} does not end at {flow.target}"


def _touches(point: tuple[float, float], box: Box) -> bool:
    return box[0] - 1 <= point[0] <= box[2] + 1 and box[1] - 1 <= point[1] <= box[3] + 1


@each_process
def test_it_is_described_with_its_picture(name: str) -> None:
    page = (DOCS / "lifecycles.md").read_text("utf-8")
    assert f"images/lifecycles/{name}.svg" in page
    picture = etree.parse(DOCS / "images" / "lifecycles" / f"{name}.svg").getroot()
    shown = {element.get("data-element-id") for element in picture.iter() if element.get("data-element-id")}
    assert set(boxes(name)) <= shown


# --- with the real commands -----------------------------------------------------------------------------------------------------

RISK = {
    "financial_exposure": 2_000_000,
    "customers_affected": 500,
    "criticality_of_purpose": "important",
    "regulatory_use": False,
    "customer_facing": False,
    "autonomy": "decides_with_review",
    "reversibility": "costly",
    "personal_data": False,
    "protected_groups": False,
    "complexity": "high",
    "opacity": "explainable",
    "data_quality": "fair",
    "third_party": False,
    "concentration_of_dependencies": "medium",
    "eu_class": "minimal",
}


def ends(yard: Yard, instance: Instance) -> str:
    """How it ended, with nothing left over of it."""
    assert yard.incidents(instance) == []
    assert yard.tasks(instance) == []
    return yard.instance(instance).status


def test_a_use_case_is_taken_in(yard: Yard) -> None:
    instance = yard.start("use-case-intake", "bea")
    yard.move()
    purpose = {"business_problem": "which parts to keep"}
    yard.complete("bea", "describe", instance, data={"name": "parts", "title": "Spare parts", "purpose": purpose})
    known = next(u for u in yard.rows(USE_CASES) if u.name == "parts")
    assert yard.instance(instance).about == yard.task("worth-of", instance).about == f"use_case:{known.id}"
    assert yard.instance(instance).use_case == "parts"
    worth = {"target": 120_000, "baseline": 80_000, "running_cost": 9_000, "formula": "stock saved"}
    yard.complete("dana", "worth-of", instance, data=worth)
    yard.complete("vera", "assess", instance, data={"inputs": RISK})
    assert next(u for u in yard.rows(USE_CASES) if u.name == "parts").value.target == 120_000
    for role in yard.task("decide", instance).roles:
        who = next(name for name, held in CAST.items() if held == role)
        yard.complete(who, "decide", instance, verdict="approved", comments="worth it")
    assert ends(yard, instance) == "completed"
    assert next(u for u in yard.rows(USE_CASES) if u.name == "parts").tier == "medium"


def test_a_version_is_retired(yard: Yard) -> None:
    yard.house.serving()
    instance = yard.start("retirement", "dana", about="version:credit-model@1")
    yard.move()
    yard.complete("dana", "propose", instance, data={"reason": "nobody needs it"})
    yard.complete("bea", "agree", instance, verdict="approved", comments="fine")
    assert yard.task("replace", instance).data["serving"][0]["role"] == "champion"
    yard.do("omar", StopArm(endpoint="credit", arm="v1"))
    yard.complete("omar", "replace", instance, data={"done": "the constant answers"})
    assert ends(yard, instance) == "completed"
    assert [state.status for state in yard.rows(VERSION_STATES) if state.model == "credit-model"] == ["retired"]


def test_an_emergency_is_acted_upon_first(yard: Yard) -> None:
    endpoint = yard.house.serving()
    instance = yard.start("emergency-change", "omar", data={"endpoint": "credit"})
    yard.move()
    revoke = {"action": "revoke a release", "release": endpoint.arms[0].release, "why": "it leaks"}
    yard.complete("omar", "act-now", instance, data=revoke)
    assert "operator" in yard.task("act-now", instance).data["error"]
    yard.complete("omar", "act-now", instance, data={"action": "stop an arm", "arm": "v1", "why": "it leaks"})
    constant = [{"output": "probability", "value": 0.5}]
    yard.complete("bea", "choose", instance, data={"change": True, "constant": constant})
    (found,) = yard.rows(ENDPOINTS)
    assert (found.arms, found.constant) == ((), {"probability": 0.5})
    yard.complete("vera", "review-it", instance, data={"finding": "right", "more": False})
    assert ends(yard, instance) == "completed"


def test_what_is_not_revalidated_in_time_stops_serving(yard: Yard) -> None:
    yard.house.serving()
    yard.move()
    (instance,) = (i for i in yard.rows(INSTANCES) if i.process == "periodic-revalidation")
    yard.house.later(days=244)
    yard.move()
    assert yard.task("prepare", instance).roles == ("validator",)
    yard.house.later(days=31)
    yard.move()
    (revoked,) = yard.rows(REVOCATIONS)
    assert revoked.cause == "not revalidated in time"
    yard.complete("omar", "replace", instance, data={"finding": "the constant answers"})
    assert ends(yard, instance) == "completed"


def found_in(yard: Yard, monitor: Monitor, day: int, level: str) -> None:
    """A window of a monitor is recorded, as the platform's loop does it."""
    begin = datetime(2026, 1, day, tzinfo=UTC)
    figure = Figure(
        measure="null_rate", field="inputs.amount", level=FigureLevel(level), value=0.4, rows=100, warning=0.1, critical=0.3
    )
    figures = RunFigures(rows=100, figures=(figure,))
    window = {"window_from": begin, "window_to": begin + timedelta(days=1), "as_of": begin + timedelta(days=1)}
    yard.do(SYSTEM, RecordRun(monitor=monitor.id, found=figures, **window))
    yard.move()


def watched(yard: Yard) -> Monitor:
    """A version that serves, with a monitor of its own."""
    endpoint = yard.house.serving()
    field = WatchedField(path="inputs.amount", type=DataType.FP32, category=False)
    watch = Watch(measure="null_rate", field="inputs.amount", warning=0.1, critical=0.3)
    about = {"use_case": "credit", "endpoint": "credit", "version": endpoint.arms[0].manifest}
    made = yard.do("omar", CreateMonitor(name="guard", fields=(field,), watches=(watch,), **about))
    assert isinstance(made, Monitor)
    return made


def test_a_critical_alert_is_triaged_and_accepted(yard: Yard) -> None:
    found_in(yard, watched(yard), 5, "critical")
    (instance,) = (i for i in yard.rows(INSTANCES) if i.process == "monitoring-response")
    triage = yard.complete("omar", "triage-it", instance, data={"response": "accept", "cause": "a form was changed"})
    assert triage.data["version"] == "credit-model@1"
    yard.complete("bea", "accept", instance, verdict="rejected", comments="look again")
    yard.complete("omar", "triage-it", instance, data={"response": "accept", "cause": "the form is old"})
    yard.complete("bea", "accept", instance, verdict="approved", comments="it is as it should be")
    (alert,) = yard.rows(ALERTS)
    assert (alert.state, alert.resolution, alert.cause) == ("resolved", "accepted: it is as it should be", "the form is old")
    assert ends(yard, instance) == "completed"


def test_a_warning_that_passes_asks_nobody(yard: Yard) -> None:
    monitor = watched(yard)
    found_in(yard, monitor, 5, "warning")
    (instance,) = (i for i in yard.rows(INSTANCES) if i.process == "monitoring-response")
    assert yard.tasks(instance) == []
    found_in(yard, monitor, 6, "ok")
    assert ends(yard, instance) == "completed"


def checked(yard: Yard, version: Version) -> None:
    """The worker has checked the version: its evidence is there, and its job is done."""
    yard.house.evidence(version)
    (work,) = (w for w in yard.rows(WORK) if w.operation == "evaluation.run_checks")
    yard.do(SYSTEM, RecordResult(work=work.id, doer=str(work.job), result={"result": {"state": "done", "result": {}}}))
    yard.move()


def test_a_version_is_released_and_rolled_back_on_an_alert(yard: Yard) -> None:
    monitor = watched(yard)
    version = yard.house.version(weights=(0.5, 0.5, 0.5))
    instance = yard.start("model-release", "dana", about=f"version:{version.name}", data={"endpoint": "credit"})
    yard.move()
    checked(yard, version)
    yard.complete("omar", "ask", instance, comments="it passed")
    for who in ("omar", "dana"):
        with pytest.raises(Refused):
            yard.do(who, CompleteTask(task=yard.task("review", instance).id, verdict="approved", comments="mine"))
    yard.complete("bea", "review", instance, verdict="approved", comments="worth it")
    yard.complete("omar", "plan", instance, data={"role": "champion", "days": 7})
    assert [arm.version for arm in yard.rows(ENDPOINTS)[0].arms] == [version.id]
    about = {"use_case": "credit", "endpoint": "credit", "version": version.manifest_digest}
    own = yard.do("omar", CreateMonitor(name="own", fields=monitor.fields, watches=monitor.watches, **about))
    found_in(yard, own, 5, "critical")
    yard.complete("omar", "roll-back-asked", instance, data={"choice": "roll back"})
    assert [arm.name for arm in yard.rows(ENDPOINTS)[0].arms] == ["v1"]
    assert ends(yard, instance) == "completed"
    assert yard.data(instance)["outcome"] == "rolled back"


def test_a_critical_alert_stops_a_challenger_at_once(yard: Yard) -> None:
    monitor = watched(yard)
    version = yard.house.version(weights=(0.5, 0.5, 0.5))
    instance = yard.start("model-release", "dana", about=f"version:{version.name}", data={"endpoint": "credit"})
    yard.move()
    checked(yard, version)
    yard.complete("omar", "ask", instance, comments="it passed")
    yard.complete("bea", "review", instance, verdict="approved", comments="worth it")
    yard.complete("omar", "plan", instance, data={"role": "challenger", "share": 0.2, "days": 30})
    about = {"use_case": "credit", "endpoint": "credit", "version": version.manifest_digest}
    own = yard.do("omar", CreateMonitor(name="own", fields=monitor.fields, watches=monitor.watches, **about))
    found_in(yard, own, 5, "warning")
    assert len(yard.rows(ENDPOINTS)[0].arms) == 2
    found_in(yard, own, 6, "critical")
    assert [arm.name for arm in yard.rows(ENDPOINTS)[0].arms] == ["v1"]
    assert yard.task("look-into", instance).data["alert"]["severity"] == "critical"
    yard.complete("omar", "look-into", instance, data={"finding": "a form was changed"})
    assert ends(yard, instance) == "completed"
