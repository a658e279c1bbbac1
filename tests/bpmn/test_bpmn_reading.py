"""Reading BPMN files: every element, every reference, other vendors' ways, and files that mean no good."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from modelyard.bpmn import model
from modelyard.bpmn.errors import BpmnError, InvalidProcess, LimitExceeded
from modelyard.bpmn.lint import lint
from modelyard.bpmn.model import (
    Assignment,
    CallActivity,
    Definitions,
    Event,
    EventDefinition,
    EventPosition,
    MultiInstance,
    Node,
    Severity,
    StandardLoop,
    SubProcess,
    Task,
    TaskKind,
    TimerKind,
    Trigger,
)
from modelyard.bpmn.protocol import Limits
from modelyard.bpmn.reading import SetAttribute, SetElements, read, write
from modelyard.bpmn.reading.extensions import KNOWN
from tests.bpmn import bpmn_text as text

ROOT = Path(__file__).parents[2]
HEAD = """xmlns{colon}="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:modelyard="https://modelyard.dev/bpmn/1.0" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" xmlns:tns="urn:tns"
 xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="urn:tns" id="file" """


def definitions(inside: str, more: str = "", attributes: str = 'isExecutable="true"', head: str = "") -> Definitions:
    """A file with the process `p`; `more` stands beside it."""
    return read(source(inside, more, attributes, head))


def source(inside: str, more: str = "", attributes: str = 'isExecutable="true"', head: str = "") -> bytes:
    process = f'<process id="p" {attributes}>{inside}</process>'
    return f"<definitions {HEAD.format(colon='')} {head}>{more}{process}</definitions>".encode()


def nodes(inside: str, more: str = "", **also: str) -> Mapping[str, Node]:
    return definitions(inside, more, **also).processes[0].body.nodes


def without_lines(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value) if field.name != "line")
        return type(value).__name__, tuple((name, without_lines(of)) for name, of in fields)
    if isinstance(value, Mapping):
        return tuple((key, without_lines(of)) for key, of in value.items())
    return tuple(map(without_lines, value)) if isinstance(value, tuple) else value


# --- what is read ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(text.blocks())
def test_generated_processes_are_read_as_they_were_written(block: Any) -> None:
    process = text.structured(block)
    found = read(text.xml(process))
    assert without_lines(found.processes) == without_lines((process,))
    assert not found.problems


def test_a_process_of_all_that_the_text_can_say_is_read_as_it_was_written() -> None:
    process = text.process(
        "order",
        "s -> a -> b -> c -> r -> d -> e; late -> e2; x -> e3",
        data={"order": "{total: 3}", "list": None},
        s=text.start(text.message("order placed", key="number", payload=None)),
        a=text.service("charge", inputs={"amount": "order.total"}, outputs={"paid": "ok"}),
        b=text.rule("Tier", "tier"),
        c=text.script("1 + 1", "two", loop=text.each("list", "one", sequential=True)),
        r=text.receive(text.message("answer", key="order.id")),
        d=text.call("other"),
        late=text.boundary("a", text.timer("P1D"), interrupting=False),
        x=text.boundary("d", text.error("bad")),
        e=text.end(text.signal("done", payload="order")),
        e2=text.end(text.escalation("late")),
        e3=text.end(text.error("bad")),
    )
    assert without_lines(read(text.xml(process)).processes) == without_lines((process,))


@pytest.mark.parametrize("prefix", ["", "bpmn", "bpmn2", "semantic", "model"])
def test_prefixes_are_as_vendors_like(prefix: str) -> None:
    colon = f":{prefix}" if prefix else ""
    short = f"{prefix}:" if prefix else ""
    written = f"""<{short}definitions {HEAD.format(colon=colon)}><{short}process id="p" isExecutable="1">
      <{short}startEvent id="s"/><{short}sequenceFlow id="f" sourceRef="s" targetRef="e">
      <{short}conditionExpression xsi:type="{short}tFormalExpression"><![CDATA[a < 3]]></{short}conditionExpression>
        </{short}sequenceFlow>
      <{short}endEvent id="e"/></{short}process></{short}definitions>"""
    body = read(written.encode()).processes[0].body
    assert body.flows["f"].condition == "a < 3"
    assert body.nodes["s"].outgoing == body.nodes["e"].incoming == ("f",)
    assert body.nodes["e"].line == 1 + written[: written.index('endEvent id="e"')].count("\n")


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "UTF-16", "windows-1252", "US-ASCII"])
def test_files_of_many_encodings(encoding: str) -> None:
    root = etree.fromstring(source('<userTask id="t" name="Prüfung"/>'))
    written = etree.tostring(root, encoding=encoding, xml_declaration=True)
    assert read(written).processes[0].body.nodes["t"].name == "Prüfung"
    changed = write(read(written), (SetAttribute("t", "role", "Prüfer"),))
    found = read(changed).processes[0].body.nodes["t"]
    assert (found.name, found.extensions) == ("Prüfung", {"role": "Prüfer"})


EVENTS = """
<startEvent id="s"><messageEventDefinition messageRef="tns:m"/></startEvent>
<intermediateCatchEvent id="c" parallelMultiple="true"><timerEventDefinition><timeCycle>R3/PT1H</timeCycle></timerEventDefinition>
  <signalEventDefinition signalRef="sig"/><conditionalEventDefinition><condition>x &gt; 1</condition></conditionalEventDefinition>
  <eventDefinitionRef>shared</eventDefinitionRef></intermediateCatchEvent>
<intermediateThrowEvent id="l"><linkEventDefinition name="on"/></intermediateThrowEvent>
<intermediateThrowEvent id="k"><compensateEventDefinition activityRef="t"/></intermediateThrowEvent>
<task id="t"/><task id="undo" isForCompensation="true"/>
<boundaryEvent id="b1" attachedToRef="t" cancelActivity="false"><escalationEventDefinition escalationRef="esc"/></boundaryEvent>
<boundaryEvent id="b2" attachedToRef="t"><errorEventDefinition/></boundaryEvent>
<boundaryEvent id="b3" attachedToRef="t"><compensateEventDefinition/></boundaryEvent>
<association id="as" sourceRef="b3" targetRef="undo"/>
<endEvent id="e1"><errorEventDefinition errorRef="err"/></endEvent>
<endEvent id="e2"><terminateEventDefinition/></endEvent><endEvent id="e3"><cancelEventDefinition/></endEvent>
<endEvent id="e4"><messageEventDefinition messageRef="nameless" modelyard:payload="{a: 1}" modelyard:correlation="id"/>
  </endEvent>"""
BESIDE = """<message id="m" name="placed" modelyard:correlation="order.id"/><message id="nameless"/>
  <signal id="sig" name="alarm"/>
<error id="err" errorCode="E42" name="other"/><escalation id="esc" escalationCode="ESC"/>
<timerEventDefinition id="shared"><timeDuration>P1D</timeDuration></timerEventDefinition>"""


def test_every_event_definition_is_read() -> None:
    made = definitions(EVENTS, BESIDE)
    found = {id_: node for id_, node in made.processes[0].body.nodes.items() if isinstance(node, Event)}
    assert found["s"].definitions == (EventDefinition(Trigger.MESSAGE, "placed", correlation="order.id"),)
    assert found["c"].parallel
    assert found["c"].definitions == (
        EventDefinition(Trigger.TIMER, timer=TimerKind.CYCLE, expression="R3/PT1H"),
        EventDefinition(Trigger.SIGNAL, "alarm"),
        EventDefinition(Trigger.CONDITIONAL, expression="x > 1"),
        EventDefinition(Trigger.TIMER, timer=TimerKind.DURATION, expression="P1D", id="shared"),
    )
    assert found["l"].definitions == (EventDefinition(Trigger.LINK, "on"),)
    assert found["k"].definitions == (EventDefinition(Trigger.COMPENSATION, activity="t"),)
    assert (found["b1"].attached_to, found["b1"].interrupting, found["b2"].interrupting) == ("t", False, True)
    assert found["b1"].definitions[0].name == "ESC"
    assert found["b2"].definitions[0].name is None
    assert found["e1"].definitions[0].name == "E42"
    assert [found[id_].definitions[0].trigger for id_ in ("e2", "e3")] == [Trigger.TERMINATE, Trigger.CANCEL]
    assert found["e4"].definitions == (EventDefinition(Trigger.MESSAGE, "nameless", expression="{a: 1}", correlation="id"),)
    assert made.processes[0].body.compensations == (("b3", "undo"),)
    assert found["s"].position is EventPosition.START


def test_tasks_say_what_they_do() -> None:
    found = nodes(
        """<serviceTask id="a" modelyard:operation="score" modelyard:dueIn="P2D"><extensionElements>
             <modelyard:input target="x" expression="y + 1"/><modelyard:output target="z">result.z</modelyard:output>
             <modelyard:property name="quorum" value="2"/></extensionElements></serviceTask>
           <serviceTask id="b" operationRef="op"/>
           <businessRuleTask id="c" modelyard:decision="Tier" modelyard:result="tier"/>
           <scriptTask id="d" scriptFormat="FEEL" modelyard:result="n"><script>count(list)</script></scriptTask>
           <sendTask id="e" messageRef="m"/><receiveTask id="f" messageRef="m" modelyard:correlation="id"/>
           <userTask id="g"><documentation>Look.</documentation><potentialOwner><resourceRef>r</resourceRef></potentialOwner>
             </userTask>
           <manualTask id="h"/><task id="i"/>""",
        '<message id="m" name="hello"/><interface id="if"><operation id="op" name="archive"/></interface>'
        '<resource id="r" name="clerk"/>',
    )
    a, g = found["a"], found["g"]
    assert isinstance(a, Task)
    assert (a.operation, a.extensions) == ("score", {"dueIn": "P2D", "quorum": "2"})
    assert (a.inputs, a.outputs) == ((Assignment("x", "y + 1"),), (Assignment("z", "result.z"),))
    tasks = {id_: node for id_, node in found.items() if isinstance(node, Task)}
    assert tasks["b"].operation == "archive"
    assert (tasks["c"].decision, tasks["c"].result) == ("Tier", "tier")
    assert (tasks["d"].script, tasks["d"].result) == ("count(list)", "n")
    assert tasks["e"].event == EventDefinition(Trigger.MESSAGE, "hello")
    assert tasks["f"].event == EventDefinition(Trigger.MESSAGE, "hello", correlation="id")
    assert (g.documentation, g.extensions) == ("Look.", {"role": "clerk"})
    assert [tasks[id_].kind for id_ in "ahi"] == [TaskKind.SERVICE, TaskKind.MANUAL, TaskKind.TASK]


def test_loops() -> None:
    found = nodes(
        """<dataObject id="do" name="orders"/><dataObject id="dp" name="paid"/>
           <task id="a"><standardLoopCharacteristics testBefore="true" loopMaximum="3"><loopCondition>x</loopCondition>
             </standardLoopCharacteristics></task>
           <task id="b"><multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality>
             <completionCondition>done</completionCondition></multiInstanceLoopCharacteristics></task>
           <task id="c"><ioSpecification><dataInput id="in" name="in"/><dataOutput id="out" name="out"/></ioSpecification>
             <dataInputAssociation><sourceRef>do</sourceRef><targetRef>in</targetRef></dataInputAssociation>
             <dataOutputAssociation><sourceRef>out</sourceRef><targetRef>dp</targetRef></dataOutputAssociation>
             <multiInstanceLoopCharacteristics isSequential="true"><loopDataInputRef>in</loopDataInputRef>
             <loopDataOutputRef>out</loopDataOutputRef><inputDataItem id="it" name="order"/>
               <outputDataItem id="ot" name="receipt"/>
             </multiInstanceLoopCharacteristics></task>
           <task id="d"><multiInstanceLoopCharacteristics modelyard:collection="range" modelyard:item="one" modelyard:output="all"
             modelyard:outputItem="one.x"/></task>
           <task id="e"><multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics inputCollection="=items"
             inputElement="item" outputCollection="results" outputElement="=result"/></extensionElements>
             </multiInstanceLoopCharacteristics></task>
           <task id="f"><multiInstanceLoopCharacteristics camunda:collection="${people}" camunda:elementVariable="person"/>
             </task>"""
    )
    loops = {id_: node.loop for id_, node in found.items() if isinstance(node, Task)}
    assert loops["a"] == StandardLoop("x", True, 3)
    assert loops["b"] == MultiInstance(False, cardinality="3", completion="done")
    assert loops["c"] == MultiInstance(True, collection="orders", item="order", output="paid", output_item="receipt")
    assert loops["d"] == MultiInstance(False, collection="range", item="one", output="all", output_item="one.x")
    assert loops["e"] == MultiInstance(False, collection="items", item="item", output="results", output_item="result")
    assert loops["f"] == MultiInstance(False, collection="people", item="person")


def test_sub_processes_data_and_nested_lanes() -> None:
    process = definitions(
        """<laneSet><lane id="outer" name="Bank" modelyard:role="clerk"><flowNodeRef>s</flowNodeRef><flowNodeRef>sub</flowNodeRef>
             <childLaneSet><lane id="inner" name="Desk"><flowNodeRef>s</flowNodeRef></lane></childLaneSet></lane></laneSet>
           <dataObject id="do"/><dataObjectReference id="ref" name="invoice" dataObjectRef="do"/>
           <dataObject id="dn" name="n" modelyard:initial="0"/><property id="pr" name="total"/>
           <startEvent id="s"/><subProcess id="sub"><task id="t"/><adHocSubProcess id="free"/></subProcess>
           <transaction id="tx"/><subProcess id="ev" triggeredByEvent="true"><startEvent id="se" isInterrupting="false"/>
             </subProcess>""",
        attributes='isExecutable="false"',
    ).processes[0]
    body = process.body
    assert process.lanes == (
        model.Lane("outer", "Bank", ("s", "sub"), "clerk", None),
        model.Lane("inner", "Desk", ("s",), None, "outer"),
    )
    sub, event = body.nodes["sub"], body.nodes["ev"]
    assert isinstance(sub, SubProcess)
    assert isinstance(event, SubProcess)
    assert event.event
    assert (body.nodes["s"].lane, sub.lane, sub.body.nodes["t"].lane) == ("inner", "outer", "outer")
    assert [(data.name, data.initial) for data in body.data] == [("invoice", None), ("n", "0"), ("total", None)]
    start, free, transaction = event.body.nodes["se"], sub.body.nodes["free"], body.nodes["tx"]
    assert isinstance(start, Event)
    assert not start.interrupting
    assert isinstance(free, SubProcess)
    assert free.ad_hoc
    assert isinstance(transaction, SubProcess)
    assert transaction.transaction


def test_data_associations_are_assignments() -> None:
    task = nodes(
        """<dataObject id="do" name="invoice"/><dataObjectReference id="ref" dataObjectRef="do"/>
           <userTask id="t"><ioSpecification><dataInput id="in" name="document"/><dataOutput id="out" name="approved"/>
             </ioSpecification>
             <dataInputAssociation><sourceRef>ref</sourceRef><targetRef>in</targetRef></dataInputAssociation>
             <dataOutputAssociation><sourceRef>out</sourceRef><targetRef>ref</targetRef></dataOutputAssociation>
             <dataOutputAssociation><targetRef>ref</targetRef><transformation>approved and true</transformation>
               </dataOutputAssociation>
             <dataOutputAssociation><targetRef>ref</targetRef><assignment><from>1</from><to>x</to></assignment>
               </dataOutputAssociation>
           </userTask>"""
    )["t"]
    assert isinstance(task, Task)
    assert task.inputs == (Assignment("document", "invoice"),)
    assert [assignment.expression for assignment in task.outputs] == ["approved", "approved and true", "1"]


def test_calls() -> None:
    made = definitions(
        """<callActivity id="a" calledElement="tns:other"/><callActivity id="b" calledElement="far"/>
           <callActivity id="c" calledElement="g" name="Ask"/><callActivity id="d"><extensionElements>
           <zeebe:calledElement processId="other"/></extensionElements></callActivity>""",
        '<process id="other" isExecutable="false"/><globalUserTask id="g" name="Ask somebody"/>',
    )
    found = made.processes[1].body.nodes
    called = {id_: node.called for id_, node in found.items() if isinstance(node, CallActivity)}
    assert called == {"a": "other", "b": "far", "d": "other"}
    asked = found["c"]
    assert isinstance(asked, Task)
    assert (asked.kind, asked.name) == (TaskKind.USER, "Ask")
    assert [(notice.code, notice.element) for notice in made.notices] == [("calls-elsewhere", "b")]


def test_what_camunda_says_plainly_is_read() -> None:
    found = nodes(
        """<serviceTask id="a"><extensionElements><zeebe:taskDefinition type="charge" retries="3"/><zeebe:ioMapping>
             <zeebe:input source="=order.total" target="amount"/><zeebe:input source="EUR" target="currency"/>
             <zeebe:output source="=receipt" target="receipt"/></zeebe:ioMapping></extensionElements></serviceTask>
           <businessRuleTask id="b"><extensionElements><zeebe:calledDecision decisionId="Tier" resultVariable="tier"/>
             </extensionElements></businessRuleTask>
           <scriptTask id="c"><extensionElements><zeebe:script expression="=a + b" resultVariable="c"/></extensionElements>
             </scriptTask>
           <userTask id="d" camunda:formKey="review" camunda:candidateGroups="clerks" camunda:assignee="${someone}"/>
           <receiveTask id="e" messageRef="m"/><serviceTask id="f" camunda:topic="archive" camunda:class="x.Y"/>""",
        '<message id="m" name="paid"><extensionElements><zeebe:subscription correlationKey="=order.id"/></extensionElements>'
        "</message>",
    )
    tasks = {id_: node for id_, node in found.items() if isinstance(node, Task)}
    assert (tasks["a"].operation, tasks["a"].extensions) == ("charge", {"retries": "3"})
    assert tasks["a"].inputs == (Assignment("amount", "order.total"), Assignment("currency", '"EUR"'))
    assert tasks["a"].outputs == (Assignment("receipt", "receipt"),)
    assert (tasks["b"].decision, tasks["b"].result) == ("Tier", "tier")
    assert (tasks["c"].script, tasks["c"].result) == ("a + b", "c")
    assert tasks["d"].extensions == {"form": "review", "role": "clerks"}
    assert tasks["e"].event == EventDefinition(Trigger.MESSAGE, "paid", correlation="order.id")
    assert tasks["f"].operation == "archive"


def test_collaborations_are_kept_and_have_no_effect() -> None:
    made = definitions(
        '<receiveTask id="t"/>',
        """<message id="m" name="hello"/><collaboration id="c"><participant id="us" name="Us" processRef="p"/>
          <participant id="them"/>
           <messageFlow id="mf" sourceRef="them" targetRef="t" messageRef="m"/><conversation id="talk"/></collaboration>
           <choreography id="dance"/><import importType="x" location="y" namespace="z"/>""",
    )
    assert made.participants == (model.Participant("us", "Us", "p"), model.Participant("them", "", None))
    assert made.message_flows == (model.MessageFlow("mf", "them", "t", "", "hello"),)
    assert [notice.code for notice in made.notices] == ["no-effect"] * 3


def test_elements_without_ids_get_the_same_at_each_reading() -> None:
    written = source('<startEvent id="s"/><task/><sequenceFlow sourceRef="s" targetRef="e"/><endEvent id="e"/>')
    first, second = read(written), read(written)
    assert without_lines(first) == without_lines(second)
    assert len(first.processes[0].body.nodes) == 3
    assert len(first.processes[0].body.flows) == 1


# --- expressions ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "language", "feel"),
    [
        ("amount > 10", "", "amount > 10"),
        ("= amount > 10", "", "amount > 10"),
        ("amount > 10", 'language="http://www.omg.org/spec/FEEL/20140401"', "amount > 10"),
        ("amount > 10", 'language="https://www.omg.org/spec/DMN/20191111/FEEL/"', "amount > 10"),
        ("amount > 10", 'language="feel"', "amount > 10"),
        ("${approved}", "", "approved"),
        ('text = "${approved}"', "", 'text = "${approved}"'),
        ("${!approved &amp;&amp; (a.b >= 3 || c != 'x')}", "", 'not(approved) and (a.b >= 3 or c != "x")'),
        ("#{not (a eq b)}", "", "not(a = b)"),
        ("getDataObject('order') = 'x' and not($b)", 'language="http://www.w3.org/1999/XPath"', 'order = "x" and not(b)'),
    ],
)
def test_expressions_are_feel(written: str, language: str, feel: str) -> None:
    made = definitions(
        f"""<startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="e">
        <conditionExpression xsi:type="tFormalExpression" {language}>{written}</conditionExpression></sequenceFlow>"""
    )
    assert made.processes[0].body.flows["f"].condition == feel
    assert not made.problems


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("${execution.getVariable('x')}", ""),
        ("${a ? b : c}", ""),
        ("${a}-${b}", ""),
        ("${" + "!" * 1900 + "a}", ""),
        ("${" + "a &amp;&amp; " * 100_000 + "a}", ""),
        ("/order/total > 3", 'language="http://www.w3.org/1999/XPath"'),
        ("return x > 3;", 'language="http://www.java.com/java"'),
        ("a.b(c)", 'language="http://www.w3.org/1999/XPath"'),
    ],
)
def test_other_languages_are_problems_only_where_they_would_be_executed(written: str, language: str) -> None:
    inside = f"""<startEvent id="s"/><endEvent id="e"/>
    <sequenceFlow id="f" sourceRef="s" targetRef="e"><conditionExpression {language}>{written}</conditionExpression>
      </sequenceFlow>"""
    (problem,) = definitions(inside).problems
    assert (problem.code, problem.element, problem.line) == ("foreign-expression", "f", 4)
    drawn = definitions(inside, attributes='isExecutable="false"')
    assert not drawn.problems
    assert [(notice.code, notice.severity) for notice in drawn.notices] == [("foreign-expression", Severity.NOTE)]
    assert drawn.processes[0].body.flows["f"].condition == written.replace("&amp;", "&")


def test_the_language_of_the_file_holds_for_expressions_that_name_none() -> None:
    inside = """<startEvent id="s"/><endEvent id="e"/>
    <sequenceFlow id="f" sourceRef="s" targetRef="e"><conditionExpression>/a/b</conditionExpression></sequenceFlow>"""
    assert definitions(inside, head='expressionLanguage="http://www.w3.org/1999/XPath"').problems
    assert not definitions(inside.replace("/a/b", "a"), head='expressionLanguage="http://www.w3.org/1999/XPath"').problems


# --- what cannot be executed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "code", "element"),
    [
        ('<complexGateway id="x"/>', "not-executable", "x"),
        ('<adHocSubProcess id="x"/>', "not-executable", "x"),
        ('<subChoreography id="x"/>', "not-executable", "x"),
        ('<eventBasedGateway id="x" eventGatewayType="Parallel"/>', "not-executable", "x"),
        ('<receiveTask id="x" instantiate="true"/>', "instantiate", "x"),
        (
            """<startEvent id="x" parallelMultiple="true"><signalEventDefinition/><messageEventDefinition/></startEvent>""",
            "not-executable",
            "x",
        ),
        ('<task id="x" startQuantity="2"/>', "quantity", "x"),
        ('<callActivity id="x"/>', "calls-nothing", "x"),
        ('<task id="x"><multiInstanceLoopCharacteristics behavior="None"/></task>', "multi-instance-behavior", "x"),
        ('<task id="x"><standardLoopCharacteristics loopMaximum="many"/></task>', "loop-maximum", "x"),
        ('<scriptTask id="x" scriptFormat="javascript"><script>1</script></scriptTask>', "foreign-expression", "x"),
        (
            """<dataStoreReference id="ds" dataStoreRef="st"/><task id="x"><dataOutputAssociation><sourceRef>o</sourceRef>
            <targetRef>ds</targetRef></dataOutputAssociation><ioSpecification><dataOutput id="o" name="o"/></ioSpecification>
              </task>""",
            "data-store",
            "x",
        ),
    ],
)
def test_what_cannot_be_executed_is_told_and_only_a_problem_if_it_would_be(inside: str, code: str, element: str) -> None:
    beside = '<dataStore id="st"/>'
    assert [(problem.code, problem.element) for problem in definitions(inside, beside).problems] == [(code, element)]
    drawn = definitions(inside, beside, attributes='isExecutable="false"')
    assert not drawn.problems
    assert code in {notice.code for notice in drawn.notices}


def test_misspelt_extensions_are_told() -> None:
    made = definitions('<serviceTask id="t" modelyard:opration="x"/>')
    (notice,) = made.notices
    assert (notice.code, notice.severity, notice.element) == ("unknown-extension", Severity.WARNING, "t")
    assert made.processes[0].body.nodes["t"].extensions == {"opration": "x"}

    inner = definitions('<task id="t"><multiInstanceLoopCharacteristics modelyard:colection="x"/></task>')
    assert [(notice.code, notice.element) for notice in inner.notices] == [("unknown-extension", "t")]
    child = definitions('<task id="t"><extensionElements><modelyard:inputs/></extensionElements></task>')
    assert [(notice.code, notice.element) for notice in child.notices] == [("unknown-extension", "t")]


def test_every_attribute_of_ours_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "bpmn-extensions.md").read_text(encoding="utf-8")
    assert {name for name in KNOWN if f"`modelyard:{name}`" not in page} == set()


# --- what is refused ------------------------------------------------------------------------------------------------------------

S = '<startEvent id="s"/><endEvent id="e"/>'


@pytest.mark.parametrize(
    ("inside", "part", "element"),
    [
        (S + '<sequenceFlow id="f" sourceRef="s" targetRef="gone"/>', "targetRef 'gone'", "f"),
        (S + '<sequenceFlow id="f" sourceRef="gone" targetRef="e"/>', "sourceRef 'gone'", "f"),
        (S + '<sequenceFlow id="f" sourceRef="s"/>', "no targetRef", "f"),
        (
            S + '<subProcess id="u"><task id="t"/></subProcess><sequenceFlow id="f" sourceRef="s" targetRef="t"/>',
            "same process",
            "f",
        ),
        (S + '<task id="s"/>', "'s' is used twice", "s"),
        ('<boundaryEvent id="b" attachedToRef="gone"/>', "'gone'", "b"),
        ('<boundaryEvent id="b"/>', "attached to nothing", "b"),
        ('<subProcess id="u"><task id="t"/></subProcess><boundaryEvent id="b" attachedToRef="t"/>', "not in the same", "b"),
        ('<exclusiveGateway id="x" default="gone"/>', "default flow 'gone'", "x"),
        (S + '<sequenceFlow id="f" sourceRef="s" targetRef="e"/><task id="x" default="f"/>', "does not leave", "x"),
        ('<startEvent id="s"><messageEventDefinition messageRef="gone"/></startEvent>', "'gone'", "s"),
        ('<startEvent id="s"><signalEventDefinition signalRef="gone"/></startEvent>', "'gone'", "s"),
        ('<startEvent id="s"><signalEventDefinition signalRef="m"/></startEvent>', "is a message, not a signal", "s"),
        ('<endEvent id="s"><errorEventDefinition errorRef="gone"/></endEvent>', "'gone'", "s"),
        ('<endEvent id="s"><escalationEventDefinition escalationRef="gone"/></endEvent>', "'gone'", "s"),
        ('<endEvent id="s"><compensateEventDefinition activityRef="gone"/></endEvent>', "'gone'", "s"),
        ('<dataObjectReference id="r" dataObjectRef="gone"/>', "'gone'", "r"),
        ('<callActivity id="c" calledElement="m"/>', "not a process", "c"),
    ],
)
def test_references_that_lead_nowhere_are_refused_with_element_and_line(inside: str, part: str, element: str) -> None:
    with pytest.raises(InvalidProcess) as raised:
        read(source("\n" + inside, '<message id="m"/>'), "here.bpmn")
    assert part in raised.value.detail
    assert (raised.value.file, raised.value.element, raised.value.line) == ("here.bpmn", element, 4)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidProcess) as raised:
        definitions('<boundaryEvent id="a"/>\n<boundaryEvent id="b"/>')
    assert [problem.element for problem in raised.value.problems] == ["a", "b"]


def test_references_of_drawn_processes_and_to_other_files_are_only_told() -> None:
    event = '<startEvent id="s"><messageEventDefinition messageRef="{}"/></startEvent>'
    drawn = definitions(event.format("gone"), attributes='isExecutable="false"')
    assert [notice.code for notice in drawn.notices] == ["unknown-reference"]
    unsaid = definitions(event.format("gone"), attributes="")
    assert [(problem.code, problem.element) for problem in unsaid.problems] == [("unknown-reference", "s")]
    far = definitions(event.format("far:gone"), head='xmlns:far="urn:far"')
    assert [notice.code for notice in far.notices] == ["other-file"]


BOMB = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="&b;"/></definitions>"""
FETCH = b"""<!DOCTYPE d SYSTEM "file:///etc/passwd"><definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"/>"""


@pytest.mark.parametrize(
    ("written", "part"),
    [
        (BOMB, "document type"),
        (FETCH, "document type"),
        (FETCH.decode().encode("utf-16"), "document type"),
        (b"", "no element found"),
        (b"<a>", "not well-formed"),
        (b"\x00\x01", "not well-formed"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "encoding"),
        (b'<?xml version="1.0" encoding="zip"?><a/>', "encoding"),
        (b"<definitions/>", "no namespace"),
        (b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100501"/>', "is not that of BPMN 2.0"),
        (b'<process xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"/>', "<process>"),
        (b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>', "is not that of BPMN 2.0"),
    ],
)
def test_hostile_and_foreign_files_are_refused(written: bytes, part: str) -> None:
    with pytest.raises(InvalidProcess) as raised:
        read(written)
    assert part in str(raised.value)
    assert raised.value.line == 1 or written == BOMB


def test_what_is_too_much_is_refused() -> None:
    deep = '<subProcess id="s{0}">' * 200 + "</subProcess>" * 200
    for written, limits in (
        (source("x" * 1000), Limits(file_bytes=500)),
        (source("<task/>" * 100), Limits(elements=50)),
        (source(deep), Limits()),
    ):
        with pytest.raises(LimitExceeded):
            read(written, limits=limits)


def test_large_files_are_read_in_time_that_grows_with_their_size() -> None:
    inside = "".join(
        f'<userTask id="t{number}"/><sequenceFlow id="f{number}" sourceRef="t{number}" targetRef="t{(number + 1) % 5000}"/>'
        for number in range(5000)
    )
    assert len(definitions(inside).processes[0].body.flows) == 5000


# --- mutations ------------------------------------------------------------------------------------------------------------------

SEED = source(EVENTS + S.replace('"s"', '"s2"').replace('"e"', '"e9"'), BESIDE)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_files_give_a_model_or_an_error_of_the_family(data: st.DataObject) -> None:
    """Bytes changed, elements moved, copied and taken away, attributes mixed up."""
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    written = _with_changed_bytes(chance) if data.draw(st.booleans()) else _with_changed_elements(chance)
    try:
        made = read(written)
    except BpmnError:
        made = None
    if made is not None:
        assert write(made) == written
        assert set(lint(made)) >= set(made.problems)


def _with_changed_bytes(chance: random.Random) -> bytes:
    written = bytearray(SEED)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(written))
        written[at : at + chance.randint(0, 6)] = chance.choice((b"", b"<", b'"', b"&", b"\xff", b"ref", b"]]>", b"\x00", b"s2"))
    return bytes(written)


def _with_changed_elements(chance: random.Random) -> bytes:
    root = etree.fromstring(SEED)
    for _ in range(chance.randint(1, 10)):
        elements = list(root.iter(etree.Element))
        one, other = chance.choice(elements), chance.choice(elements)
        names = [name for element in elements for name in element.attrib]
        action = chance.randrange(5)
        if action == 0 and one.getparent() is not None and one not in other.iterancestors() and one is not other:
            other.append(one)
        elif action == 1 and one.getparent() is not None:
            one.getparent().remove(one)
        elif action == 2:
            one.set(chance.choice(names), chance.choice(elements).get("id", "none"))
        elif action == 3:
            one.tag = other.tag
        else:
            one.text = chance.choice(("", "t", "${x", "P1D", "1 +"))
    return etree.tostring(root)


# --- writing --------------------------------------------------------------------------------------------------------------------

KEPT = b"""<?xml version="1.0" encoding="UTF-8"?>
<!-- <bpmn:definitions is not here -->
<?note kept?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:unused="urn:unused" xmlns="urn:default" xmlns:other="urn:other" targetNamespace="urn:x" other:version="2">
  <bpmn:process id="p" isExecutable="true"><!-- inside -->
    <bpmn:userTask id="t" other:colour="red&#10;"><bpmn:documentation>Look.</bpmn:documentation>
      <bpmn:incoming>f</bpmn:incoming></bpmn:userTask>
    <bpmn:scriptTask id="x"><bpmn:extensionElements><other:thing a="1"><deep/></other:thing></bpmn:extensionElements>
      <bpmn:script><![CDATA[a < b]]></bpmn:script></bpmn:scriptTask>
  </bpmn:process>
</bpmn:definitions>
<!-- after -->
"""


def test_a_file_that_is_not_changed_is_written_byte_for_byte() -> None:
    assert write(read(KEPT)) == KEPT


def test_a_change_touches_nothing_else() -> None:
    changes = (
        SetAttribute("t", "role", "clerk & co"),
        SetElements("t", "input", ({"target": "a", "expression": "b < 3"}, {"target": "c", "expression": "d"})),
        SetElements("x", "property", ({"name": "n", "value": "1"},)),
    )
    changed = write(read(KEPT), changes)
    found = read(changed).processes[0].body.nodes
    task, script = found["t"], found["x"]
    assert isinstance(task, Task)
    assert task.extensions == {"role": "clerk & co"}
    assert task.inputs == (Assignment("a", "b < 3"), Assignment("c", "d"))
    assert isinstance(script, Task)
    assert (script.script, script.extensions) == ("a < b", {"n": "1"})
    for kept in (
        b"<!-- <bpmn:definitions is not here -->",
        b"<?note kept?>",
        b"xmlns:unused",
        b'xmlns="urn:default"',
        b"<!-- inside -->",
    ):
        assert kept in changed
    for kept in (b"<![CDATA[a < b]]>", b'<other:thing a="1"><deep/></other:thing>', b"red&#10;", b"<!-- after -->"):
        assert kept in changed
    assert changed.count(b"xmlns:modelyard") == 1
    back = write(
        read(changed), (SetAttribute("t", "role", None), SetElements("t", "input", ()), SetElements("x", "property", ()))
    )
    assert _canonical(back).replace(b' xmlns:modelyard="https://modelyard.dev/bpmn/1.0"', b"") == _canonical(KEPT)


def test_elements_that_are_changed_replace_those_there_were() -> None:
    made = read(write(read(KEPT), (SetElements("x", "input", ({"target": "a", "expression": "1"},)),)))
    again = read(write(made, (SetElements("x", "input", ({"target": "b", "expression": "2"},)),)))
    task = again.processes[0].body.nodes["x"]
    assert isinstance(task, Task)
    assert task.inputs == (Assignment("b", "2"),)


@pytest.mark.parametrize(
    "change",
    [
        SetAttribute("gone", "role", "x"),
        SetAttribute("t", "not a name", "x"),
        SetAttribute("t", "role", "\x00"),
        SetElements("t", "", ()),
        SetElements("t", "input", ({"target": "\x01"},)),
        SetElements("t", "input", ({"a b": "c"},)),
    ],
)
def test_changes_that_cannot_be_are_refused(change: SetAttribute | SetElements) -> None:
    with pytest.raises(InvalidProcess) as raised:
        write(read(KEPT), (change,))
    assert raised.value.element == change.element


def _canonical(written: bytes) -> bytes:
    return etree.tostring(etree.fromstring(written).getroottree(), method="c14n")
