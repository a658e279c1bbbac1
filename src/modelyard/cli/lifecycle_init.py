"""`modelyard lifecycle init`: a small life cycle to begin with, that is sound, tested and drawn."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Annotated

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.dmn import SHOW, Showing
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.session import say

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


def init(
    name: Annotated[str, Parameter(help="Of the process: letters, digits, `-`, `_` and `.`.")],
    /,
    *,
    folder: Annotated[Path, Parameter(help="Where the files are written.")] = Path(),
    how: Showing = SHOW,
) -> int:
    """Write a small life cycle to begin with: the process with its diagram, its forms, scenarios and a simulation."""
    if not NAME.fullmatch(name):
        raise Usage(f"{name!r} is no name for a process", field="NAME", hint="letters, digits, - _ and ., such as model-review")
    title = name.replace("-", " ").replace("_", " ").capitalize()
    texts = {
        f"{name}.bpmn": Template(PROCESS).substitute(name=name, title=title),
        f"{name}.forms.yaml": FORMS,
        f"{name}.scenarios.yaml": Template(SCENARIOS).substitute(name=name),
        f"{name}.simulation.yaml": SIMULATION,
    }
    paths = {folder / file: text for file, text in texts.items()}
    there = next((path for path in paths if path.exists()), None)
    if there is not None:
        raise Usage(f"{there} is there already", field="NAME", hint="take another name, or another --folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{folder} cannot be written: {error.strerror}", field="--folder") from error
    render.print_rows([{"file": str(path)} for path in paths], "FILE=file", how.output, name="file")
    process = next(iter(paths))
    say(f"next: modelyard lifecycle test {process}")
    say(f"next: modelyard lifecycle publish {process} --dry-run")
    return DONE


PROCESS = """\
<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
             xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
             xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"
             xmlns:di="http://www.omg.org/spec/DD/20100524/DI"
             xmlns:modelyard="https://modelyard.dev/bpmn/1.0"
             id="${name}-file" targetNamespace="https://modelyard.dev/processes">
  <error id="job-failed" name="The checks could not run" errorCode="job_failed"/>

  <process id="$name" name="$title" isExecutable="true">
    <startEvent id="asked" name="A version is put forward"/>

    <serviceTask id="checks" name="Run the checks" modelyard:operation="evaluation.run_checks"
                 modelyard:duration="uniform(PT5M, PT30M)">
      <extensionElements>
        <modelyard:input target="version" expression="version.id"/>
        <modelyard:output target="job" expression="result.id"/>
      </extensionElements>
    </serviceTask>
    <boundaryEvent id="not-run" name="They could not run" attachedToRef="checks">
      <errorEventDefinition errorRef="job-failed"/>
    </boundaryEvent>
    <userTask id="repair" name="Find out why the checks did not run" modelyard:role="operator" modelyard:form="repair"
              modelyard:dueIn="P1D" modelyard:wait="exponential(PT4H, P2D)" modelyard:duration="uniform(PT15M, PT2H)"/>

    <serviceTask id="findings" name="Read what they found" modelyard:operation="read.evidence">
      <extensionElements>
        <modelyard:input target="version" expression="version.id"/>
        <modelyard:input target="type" expression="&quot;test_report&quot;"/>
        <modelyard:output target="failed" expression="result.first.metrics.checks_failed"/>
        <modelyard:output target="summary" expression="result.first.summary"/>
      </extensionElements>
    </serviceTask>
    <exclusiveGateway id="sound" name="Are all checks passed?" default="not-sound"/>

    <userTask id="review" name="Review the version" modelyard:role="validator" modelyard:form="review"
              modelyard:dueIn="P2D" modelyard:wait="exponential(PT8H, P3D)" modelyard:duration="uniform(PT1H, PT4H)">
      <extensionElements>
        <modelyard:input target="exclude" expression="[version.developer]"/>
        <modelyard:input target="version" expression="version.id"/>
        <modelyard:input target="checks" expression="summary"/>
        <modelyard:output target="verdict" expression="verdict"/>
        <modelyard:output target="comments" expression="comments"/>
      </extensionElements>
    </userTask>
    <exclusiveGateway id="fit" name="Is it fit?" default="not-fit"/>

    <endEvent id="accepted" name="Accepted"/>
    <endEvent id="returned" name="Sent back to its developer"/>

    <sequenceFlow id="begin" sourceRef="asked" targetRef="checks"/>
    <sequenceFlow id="ran" sourceRef="checks" targetRef="findings"/>
    <sequenceFlow id="did-not-run" sourceRef="not-run" targetRef="repair"/>
    <sequenceFlow id="again" sourceRef="repair" targetRef="checks"/>
    <sequenceFlow id="found" sourceRef="findings" targetRef="sound"/>
    <sequenceFlow id="is-sound" name="yes" sourceRef="sound" targetRef="review">
      <conditionExpression>failed = 0</conditionExpression>
    </sequenceFlow>
    <sequenceFlow id="not-sound" name="no" sourceRef="sound" targetRef="returned"/>
    <sequenceFlow id="reviewed" sourceRef="review" targetRef="fit"/>
    <sequenceFlow id="is-fit" name="yes" sourceRef="fit" targetRef="accepted">
      <conditionExpression>verdict = "approved"</conditionExpression>
    </sequenceFlow>
    <sequenceFlow id="not-fit" name="no" sourceRef="fit" targetRef="returned"/>
  </process>

  <bpmndi:BPMNDiagram id="diagram">
    <bpmndi:BPMNPlane id="plane" bpmnElement="$name">
      <bpmndi:BPMNShape id="asked-shape" bpmnElement="asked">
        <dc:Bounds x="152" y="142" width="36" height="36"/>
        <bpmndi:BPMNLabel><dc:Bounds x="136" y="185" width="70" height="27"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="checks-shape" bpmnElement="checks">
        <dc:Bounds x="250" y="120" width="100" height="80"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="findings-shape" bpmnElement="findings">
        <dc:Bounds x="410" y="120" width="100" height="80"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="sound-shape" bpmnElement="sound" isMarkerVisible="true">
        <dc:Bounds x="575" y="135" width="50" height="50"/>
        <bpmndi:BPMNLabel><dc:Bounds x="565" y="101" width="70" height="27"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="review-shape" bpmnElement="review">
        <dc:Bounds x="690" y="120" width="100" height="80"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="fit-shape" bpmnElement="fit" isMarkerVisible="true">
        <dc:Bounds x="855" y="135" width="50" height="50"/>
        <bpmndi:BPMNLabel><dc:Bounds x="860" y="114" width="40" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="accepted-shape" bpmnElement="accepted">
        <dc:Bounds x="972" y="142" width="36" height="36"/>
        <bpmndi:BPMNLabel><dc:Bounds x="965" y="185" width="50" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="returned-shape" bpmnElement="returned">
        <dc:Bounds x="862" y="302" width="36" height="36"/>
        <bpmndi:BPMNLabel><dc:Bounds x="840" y="345" width="80" height="27"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="repair-shape" bpmnElement="repair">
        <dc:Bounds x="350" y="280" width="100" height="80"/>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="not-run-shape" bpmnElement="not-run">
        <dc:Bounds x="312" y="182" width="36" height="36"/>
        <bpmndi:BPMNLabel><dc:Bounds x="345" y="222" width="80" height="27"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNEdge id="begin-edge" bpmnElement="begin">
        <di:waypoint x="188" y="160"/><di:waypoint x="250" y="160"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="ran-edge" bpmnElement="ran">
        <di:waypoint x="350" y="160"/><di:waypoint x="410" y="160"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="did-not-run-edge" bpmnElement="did-not-run">
        <di:waypoint x="330" y="218"/><di:waypoint x="330" y="320"/><di:waypoint x="350" y="320"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="again-edge" bpmnElement="again">
        <di:waypoint x="400" y="360"/><di:waypoint x="400" y="390"/><di:waypoint x="280" y="390"/><di:waypoint x="280" y="200"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="found-edge" bpmnElement="found">
        <di:waypoint x="510" y="160"/><di:waypoint x="575" y="160"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="is-sound-edge" bpmnElement="is-sound">
        <di:waypoint x="625" y="160"/><di:waypoint x="690" y="160"/>
        <bpmndi:BPMNLabel><dc:Bounds x="640" y="142" width="18" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="not-sound-edge" bpmnElement="not-sound">
        <di:waypoint x="600" y="185"/><di:waypoint x="600" y="320"/><di:waypoint x="862" y="320"/>
        <bpmndi:BPMNLabel><dc:Bounds x="608" y="200" width="14" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="reviewed-edge" bpmnElement="reviewed">
        <di:waypoint x="790" y="160"/><di:waypoint x="855" y="160"/>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="is-fit-edge" bpmnElement="is-fit">
        <di:waypoint x="905" y="160"/><di:waypoint x="972" y="160"/>
        <bpmndi:BPMNLabel><dc:Bounds x="925" y="142" width="18" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="not-fit-edge" bpmnElement="not-fit">
        <di:waypoint x="880" y="185"/><di:waypoint x="880" y="302"/>
        <bpmndi:BPMNLabel><dc:Bounds x="888" y="200" width="14" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</definitions>
"""

FORMS = """\
# What is to be filled in at user tasks: JSON Schemas, by the names that `modelyard:form` gives.
review:
  type: object
  required: [findings]
  properties:
    findings: {type: string, title: What was found, minLength: 1}
    severity: {type: string, title: The worst of it, enum: [none, low, medium, high], default: none}
repair:
  type: object
  required: [cause]
  properties:
    cause: {type: string, title: Why the checks did not run, minLength: 1}
"""

SCENARIOS = """\
# The tests of the process: `modelyard lifecycle test $name.bpmn` plays them; publishing demands that they pass.
process: $name
scenarios:
  - name: a version that is fit is accepted
    steps:
      - start: {version: {id: ver_1, developer: idn_dana}}
      - expect: {waiting: [checks], ended: false}
      - complete: checks
        result: {result: {id: job_1, state: done}}
      - complete: findings
        result: {result: {first: {metrics: {checks_failed: 0}, summary: all passed}}}
      - expect: {tasks: {validator: [review]}, data: {failed: 0}}
      - complete: review
        result: {verdict: approved, comments: well made, findings: nothing grave}
      - expect: {ended: completed, ends: [accepted]}

  - name: a version of which checks fail goes back without a review
    steps:
      - start: {version: {id: ver_1, developer: idn_dana}}
      - complete: checks
        result: {result: {id: job_1, state: done}}
      - complete: findings
        result: {result: {first: {metrics: {checks_failed: 2}, summary: two failed}}}
      - expect: {ended: completed, ends: [returned], tasks: []}

  - name: a version that the validator rejects goes back
    steps:
      - start: {version: {id: ver_1, developer: idn_dana}}
      - complete: checks
        result: {result: {id: job_1, state: done}}
      - complete: findings
        result: {result: {first: {metrics: {checks_failed: 0}, summary: all passed}}}
      - complete: review
        result: {verdict: rejected, comments: unstable, findings: it drifts}
      - expect: {ended: completed, ends: [returned]}

  - name: checks that could not run are run again
    steps:
      - start: {version: {id: ver_1, developer: idn_dana}}
      - fail: checks
        code: job_failed
      - expect: {tasks: {operator: [repair]}}
      - complete: repair
        result: {cause: the worker had no memory left}
      - expect: {waiting: [checks]}
"""

SIMULATION = """\
# What `modelyard lifecycle simulate` assumes beside the durations that the process gives: how steps end, how often.
data: {version: {id: ver_1, developer: idn_dana}}
outcomes:
  checks:
    - {probability: 0.95, data: {result: {id: job_1}}}
    - {probability: 0.05, code: job_failed}
  findings:
    - {probability: 0.9, data: {result: {first: {metrics: {checks_failed: 0}, summary: all passed}}}}
    - {probability: 0.1, data: {result: {first: {metrics: {checks_failed: 1}, summary: one failed}}}}
  review:
    - {probability: 0.8, data: {verdict: approved, comments: fit}}
    - {probability: 0.2, data: {verdict: rejected, comments: not fit}}
"""
