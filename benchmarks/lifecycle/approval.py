"""A life cycle as short as real ones get: a look-up, a person's assessment that must come in time, a choice, a confirmation."""

from __future__ import annotations

from typing import Any

APPROVAL = "approval"
FORMS = {"assess": {"type": "object", "properties": {"score": {"type": "number"}}}}
GIVEN: dict[str, Any] = {"subject": "credit", "score": 3}
"""What an instance begins with."""
STEPS = ("look", "assess", "confirm")
"""What is to be done in it, one after another."""

SOURCE = """\
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:modelyard="https://modelyard.dev/bpmn/1.0" id="d" targetNamespace="urn:bench">
<process id="approval" name="Approval" isExecutable="true">
<startEvent id="start"><outgoing>f0</outgoing></startEvent>
<sequenceFlow id="f0" sourceRef="start" targetRef="look"/>
<serviceTask id="look" name="Look it up" modelyard:operation="read.use_cases">
<extensionElements><modelyard:input target="name" expression="subject"/></extensionElements>
<incoming>f0</incoming><outgoing>f1</outgoing></serviceTask>
<sequenceFlow id="f1" sourceRef="look" targetRef="assess"/>
<userTask id="assess" name="Assess" modelyard:role="validator" modelyard:form="assess"><incoming>f1</incoming>
<outgoing>f2</outgoing></userTask>
<boundaryEvent id="late" attachedToRef="assess"><outgoing>f8</outgoing>
<timerEventDefinition id="late_timer"><timeDuration>"P30D"</timeDuration></timerEventDefinition></boundaryEvent>
<sequenceFlow id="f8" sourceRef="late" targetRef="given_up"/>
<endEvent id="given_up"><incoming>f8</incoming></endEvent>
<sequenceFlow id="f2" sourceRef="assess" targetRef="good"/>
<exclusiveGateway id="good" default="f4"><incoming>f2</incoming><outgoing>f3</outgoing><outgoing>f4</outgoing></exclusiveGateway>
<sequenceFlow id="f3" sourceRef="good" targetRef="confirm">
<conditionExpression xsi:type="tFormalExpression">score &gt; 5</conditionExpression></sequenceFlow>
<sequenceFlow id="f4" sourceRef="good" targetRef="refused"/>
<endEvent id="refused"><incoming>f4</incoming></endEvent>
<userTask id="confirm" name="Confirm" modelyard:role="validator"><incoming>f3</incoming><outgoing>f5</outgoing></userTask>
<sequenceFlow id="f5" sourceRef="confirm" targetRef="end"/>
<endEvent id="end"><incoming>f5</incoming></endEvent>
</process></definitions>
"""
"""One file for both sides: its durations and its condition mean the same in FEEL and in Python."""
