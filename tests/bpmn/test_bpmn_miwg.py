"""The BPMN Model Interchange Working Group's models: each is read, linted and written again.

They are not part of the project. They are looked for in `bpmn-miwg` of the folder that MODELYARD_CONFORMANCE names, else of
`../shared/conformance` beside the project; without them the tests are skipped, unless MODELYARD_DEMAND names `conformance`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from modelyard.bpmn import InstanceEnded, Started, WorkCompleted, WorkWanted, compile_process, step
from modelyard.bpmn.lint import Severity, lint
from modelyard.bpmn.model import Definitions, Scope, SubProcess
from modelyard.bpmn.reading import SetAttribute, SetElements, read, write
from tests.conftest import skip_or_fail

ROOT = Path(__file__).parents[2]
KIT = Path(os.environ.get("MODELYARD_CONFORMANCE") or ROOT.parent / "shared" / "conformance") / "bpmn-miwg"
MODEL = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
NODES = {
    *("startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent", "callActivity"),
    *("task", "userTask", "manualTask", "serviceTask", "businessRuleTask", "scriptTask", "sendTask", "receiveTask"),
    *("exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"),
    *("subProcess", "transaction", "adHocSubProcess"),
}


def files() -> list[Any]:
    return [pytest.param(path, id=path.name) for path in sorted(KIT.glob("**/*.bpmn"))] or [pytest.param(None, id="absent")]


def read_file(path: Path | None) -> tuple[bytes, Definitions]:
    if path is None:
        skip_or_fail("conformance", f"there are no models of the BPMN MIWG in {KIT.name} of the conformance folder")
        raise AssertionError
    source = path.read_bytes()
    return source, read(source, path.name)


def scopes(definitions: Definitions) -> list[Scope]:
    found = [process.body for process in definitions.processes]
    for scope in found:
        found.extend(node.body for node in scope.nodes.values() if isinstance(node, SubProcess))
    return found


def canonical(source: bytes) -> bytes:
    return etree.tostring(etree.fromstring(source), method="c14n")


@pytest.mark.parametrize("path", files())
def test_every_node_and_flow_of_a_model_is_read(path: Path | None) -> None:
    source, definitions = read_file(path)
    root = etree.fromstring(source)
    inside = [element for process in root.iter(f"{MODEL}process") for element in process.iter(etree.Element)]
    nodes = {element.get("id") for element in inside if etree.QName(element).localname in NODES and element.tag.startswith(MODEL)}
    flows = {element.get("id") for element in inside if element.tag == f"{MODEL}sequenceFlow"}
    assert {id_ for scope in scopes(definitions) for id_ in scope.nodes} == nodes
    assert {id_ for scope in scopes(definitions) for id_ in scope.flows} == flows
    assert len(definitions.processes) == len(list(root.iter(f"{MODEL}process")))


@pytest.mark.parametrize("path", files())
def test_a_model_is_written_as_it_was_read(path: Path | None) -> None:
    source, definitions = read_file(path)
    assert canonical(write(definitions)) == canonical(source)


@pytest.mark.parametrize("path", files())
def test_a_change_and_its_taking_back_leave_all_else(path: Path | None) -> None:
    source, definitions = read_file(path)
    id_ = next(id_ for scope in scopes(definitions) for id_ in scope.nodes)
    changes = (SetAttribute(id_, "role", "a < b"), SetElements(id_, "property", ({"name": "π", "value": '"'},)))
    changed = read(write(definitions, changes))
    found = next(scope.nodes[id_] for scope in scopes(changed) if id_ in scope.nodes)
    assert found.extensions["role"] == "a < b"
    assert found.extensions["π"] == '"'
    back = write(changed, (SetAttribute(id_, "role", None), SetElements(id_, "property", ())))
    declared = b' xmlns:modelyard="https://modelyard.dev/bpmn/1.0"'
    assert canonical(back).replace(declared, b"", 1) == canonical(source)


@pytest.mark.parametrize("path", files())
def test_the_structure_of_a_model_has_no_errors(path: Path | None) -> None:
    """The suite's models are valid; what may keep an executable one from running is that it names nothing of ours."""
    _, definitions = read_file(path)
    wrong = {"no-start", "deadlock", "endless-loop", "dangling-flow", "boundary", "wrong-flow", "wrong-trigger", "feel", "timer"}
    assert not {finding.code for finding in lint(definitions) if finding.severity is Severity.ERROR} & wrong


def test_conditions_of_the_executable_models_are_read_as_feel() -> None:
    if not (KIT / "C.1.1.bpmn").is_file():
        skip_or_fail("conformance", "there is no model C.1.1 in the conformance folder")
    for name in ("C.1.0.bpmn", "C.1.1.bpmn"):
        _, definitions = read_file(KIT / name)
        process = next(process for process in definitions.processes if process.executable)
        conditions = {id_: flow.condition for id_, flow in process.body.flows.items() if flow.condition}
        assert conditions == {
            "invoiceApproved": "approved",
            "invoiceNotApproved": "not(approved)",
            "reviewSuccessful": 'clarified = "yes"',
            "reviewNotSuccessful": 'clarified = "no"',
        }


def test_an_executable_model_runs_to_its_end() -> None:
    """C.1.1, invoices: refused, clarified, approved. Every task is done as its data objects say."""
    if not (KIT / "C.1.1.bpmn").is_file():
        skip_or_fail("conformance", "there is no model C.1.1 in the conformance folder")
    compiled = compile_process(read_file(KIT / "C.1.1.bpmn")[1])
    at = datetime(2026, 1, 5, tzinfo=UTC)
    results: list[dict[str, object]] = [
        {"approver": "ann"},
        {"approved": False},
        {"clarified": "yes"},
        {"approved": True},
        {},
        {},
    ]
    state, effects = step(compiled, None, Started(at=at))
    done: list[str] = []
    while wanted := [effect for effect in effects if isinstance(effect, WorkWanted)]:
        done.append(wanted[0].element)
        state, effects = step(compiled, state, WorkCompleted(at=at, work=wanted[0].work, result=results[len(done) - 1]))
    review = ["approveInvoice", "reviewInvoice", "approveInvoice"]
    assert done == ["assignApprover", *review, "prepareBankTransfer", "archiveInvoice"]
    (ended,) = [effect for effect in effects if isinstance(effect, InstanceEnded)]
    assert (ended.how, ended.data) == ("completed", {"approver": "ann", "approved": True, "clarified": "yes"})
