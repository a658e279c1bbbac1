"""Scenario files: what they can say, what is told when a life cycle is otherwise, and files that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.bpmn.errors import BpmnError, InvalidProcess
from modelyard.bpmn.model import Definitions
from modelyard.bpmn.scenarios import Report, parse, run
from tests.bpmn.bpmn_text import (
    boundary,
    catch,
    complex_gateway,
    definitions,
    each,
    end,
    error,
    escalation,
    message,
    par,
    process,
    script,
    service,
    signal,
    start,
    throw,
    timer,
    user,
    xor,
)


def release() -> Definitions:
    return definitions(
        process(
            "release",
            "s -> checks -> x; x -[passed]-> review -> news -> e; x -else-> rejected; late -> remind -> e2; bad -> failed",
            lanes={"validator": ("checks",), "owner": ("review",)},
            checks=service("run checks"),
            x=xor(),
            rejected=end(),
            failed=end(),
            review=user(extensions={"role": "risk officer"}),
            late=boundary("review", timer("P2D"), interrupting=False),
            bad=boundary("checks", error("no data")),
            news=throw(message("released", payload="{model: model}")),
        )
    )


FILE = """
process: release
scenarios:
  - name: it passes
    at: 2026-03-01T08:00:00Z
    steps:
      - start: {model: churn}
      - expect: {waiting: [checks], tasks: {validator: [checks], owner: []}, ended: false}
      - complete: checks
        result: {passed: true, score: 0.5}
      - expect:
          tasks: [review]
          timers: {late: 2026-03-03T08:00:00Z}
          data: {model: churn, score: 0.5, passed: true}
      - advance: P3D
      - expect: {waiting: [review, remind], timers: {late: null}}
      - complete: review
      - expect: {sent: [released], ends: [e], ended: false}
      - complete: remind
      - expect: {ended: completed, ends: [e, e2], passed: [checks, review, remind], waiting: []}
      - complete: remind
        refused: true
  - name: it has no data
    steps:
      - start:
      - fail: checks
        code: no data
      - expect: {ended: true, ends: [failed]}
"""


def played(source: str, of: Definitions | None = None, **more: Any) -> Report:
    return run(of or release(), parse(source, loads=yaml.safe_load), **more)


def test_scenarios_that_hold() -> None:
    report = played(FILE)
    assert report.passed, report.lines
    assert [result.passed for result in report.results] == [True, True]
    assert report.lines[0] == "passed: it passes"


def test_saving_and_restoring_between_steps_makes_no_difference() -> None:
    assert played(FILE, restoring=True) == played(FILE)


def test_coverage_names_what_no_scenario_saw() -> None:
    coverage = played(FILE).coverage
    assert coverage.missing_nodes == ("rejected",)
    assert coverage.missing_flows == ("x_rejected",)
    assert {"late", "bad", "checks"} <= {*coverage.nodes}
    assert coverage.share == pytest.approx(1 - 2 / (len(coverage.nodes) + len(coverage.flows) + 2))
    assert "not rejected, x_rejected" in played(FILE).lines[-1]


def one(steps: list[Any], of: Definitions | None = None) -> list[str]:
    """The failures of one scenario of these steps."""
    report = run(of or release(), parse(json.dumps({"scenarios": [{"name": "one", "steps": steps}]})))
    return [str(failure) for failure in report.results[0].failures]


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"waiting": ["review"]}, "waiting: expected review, found checks; missing review; unexpected checks"),
        ({"waiting": []}, "waiting: expected none, found checks"),
        ({"waiting": ["checks", "checks"]}, "missing checks"),
        ({"tasks": {"owner": ["checks"]}}, "tasks of owner: expected checks, found none"),
        ({"data": {"model": "other"}}, "data model: expected 'other', found "),
        ({"data": {"n": True}}, "data n: expected True, found 1"),
        ({"data": {"gone": 1}}, "data gone: expected 1, and it is not there"),
        ({"ended": "completed"}, "ended: expected 'completed', found False; it is at checks"),
        ({"timers": {"late": "2026-01-01"}}, "timer late: expected 2026-01-01T00:00:00+00:00, found none"),
        ({"passed": ["checks", "s"]}, "'s' was not entered (in this order); entered were s, checks"),
        ({"ends": ["e"]}, "ends: expected e, found none"),
        ({"messages": ["m"]}, "messages: expected m, found none"),
        ({"incidents": ["checks"]}, "incidents: expected checks, found none"),
    ],
)
def test_a_difference_says_what_was_expected_and_found(expected: Any, difference: str) -> None:
    found = one([{"start": {"model": "churn", "n": 1}}, {"expect": expected}])
    assert len(found) == 1
    assert found[0].startswith("step 2 (expect): ")
    assert difference in found[0]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"complete": "review"}, "'review' waits for no work; checks"),
        ({"complete": "checks", "turn": 2}, "(turn 2)"),
        ({"message": "m"}, "nobody waits for the message 'm'"),
        ({"signal": "m"}, "signal"),
        ({"timer": "late"}, "waits for no timer; nothing does"),
        ({"resolve": "checks"}, "no incident"),
        ({"advance": "-PT1H"}, "in the past"),
        ({"advance": "soon"}, "no duration"),
        ({"start": {}}, "begun already"),
    ],
)
def test_a_step_that_cannot_be_done_fails_and_stops_the_scenario(step: Any, why: str) -> None:
    found = one([{"start": {}}, step, {"expect": {"waiting": ["nowhere"]}}])
    assert len(found) == 1
    assert why in found[0]
    assert one([{"start": {}}, {**step, "refused": True}, {"expect": {"waiting": ["checks"]}}]) == []


def test_a_step_that_should_have_been_refused() -> None:
    assert "should have been refused" in one([{"start": {}, "refused": True}])[0]
    assert "nothing has been started" in one([{"expect": {"ended": False}}])[0]


def test_messages_signals_timers_and_conditions() -> None:
    flows = "s -> f; f -> m -> e; f -> g -> e2; f -> t -> e3"
    of = definitions(
        process("p", flows, f=par(), m=catch(message("paid", "order")), g=catch(signal("stop")), t=catch(timer("R/PT1H")))
    )
    steps = [
        {"start": {"order": "o1"}},
        {"expect": {"messages": ["paid"], "signals": ["stop"], "waiting": ["m", "g", "t"]}},
        {"message": "paid", "key": "o2", "refused": True},
        {"message": "paid", "key": "o1", "payload": {"amount": 5}},
        {"signal": "stop", "payload": {"why": "late"}},
        {"timer": "t"},
        {"expect": {"ended": "completed", "data": {"amount": 5, "why": "late", "order": "o1"}}},
    ]
    assert one(steps, of) == []


def test_incidents_escalations_loops_and_starts_by_name() -> None:
    of = definitions(
        process(
            "p",
            "s -> a -> b -> e; up -> boss -> e2; order_in -> a",
            order_in=start(message("order")),
            a=service("x"),
            b=user(loop=each("[1, 2]")),
            up=boundary("b", escalation("slow"), interrupting=False),
        )
    )
    steps = [
        {"start": {"n": 1}, "from": "nobody", "refused": True},
        {"start": {"n": 1}, "from": "order"},
        {"break": "a", "message": "no network"},
        {"expect": {"incidents": ["a"], "waiting": []}},
        {"resolve": "a"},
        {"complete": "a"},
        {"escalate": "b", "code": "slow", "turn": 1},
        {"expect": {"waiting": ["b", "b", "boss"]}},
        {"complete": "b", "turn": 2},
        {"complete": "b", "turn": 2, "refused": True},
        {"complete": "b", "turn": 1},
        {"cancel": "enough"},
        {"expect": {"ended": "cancelled"}},
    ]
    assert one(steps, of) == []


def test_dates_and_nested_data_compare() -> None:
    of = definitions(process("p", "s -> a -> b -> e", a=script('{day: date("2026-01-31"), all: [1, true, null]}', "made")))
    expect = {"made": {"day": "2026-01-31", "all": [1, True, None]}}
    assert one([{"start": {}}, {"expect": {"data": expect}}], of) == []
    assert one([{"start": {}}, {"expect": {"data": {"made": {"day": "2026-02-01", "all": [1, True, None]}}}}], of) != []
    assert one([{"start": {}}, {"expect": {"data": {"made": [1]}}}], of) != []


def test_endless_timers_are_bounded() -> None:
    of = definitions(process("p", "s -> m -> t -> m2 -> m", m=xor(), m2=xor(), t=catch(timer("PT1S"))))
    assert "timers fired" in one([{"start": {}}, {"advance": "P30D"}], of)[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "scenarios: []",
        "scenarios: [{name: a}]",
        "scenarios: [{name: a, steps: [{}]}]",
        "scenarios: [{name: a, steps: [{complete: 5}]}]",
        "scenarios: [{name: a, steps: [{complete: x, results: {}}]}]",
        "scenarios: [{name: a, steps: [{complete: x, result: 5}]}]",
        "scenarios: [{name: a, steps: [{resolve: x, how: hope}]}]",
        "scenarios: [{name: a, steps: [{expect: {wating: []}}]}]",
        "scenarios: [{name: a, steps: [{expect: {waiting: x}}]}]",
        "scenarios: [{name: a, steps: [{expect: {}, refused: true}]}]",
        "scenarios: [{name: a, at: soon, steps: [{start: {}}]}]",
        "scenarios: [{name: a, steps: [{start: {}}]}, {name: a, steps: [{start: {}}]}]",
        "process: 5\nscenarios: [{name: a, steps: [{start: {}}]}]",
        "{",
    ],
)
def test_what_is_no_scenario_file_is_refused(text: str) -> None:
    with pytest.raises(BpmnError) as caught:
        parse(text, "life.yaml", loads=yaml.safe_load)
    assert "life.yaml" in str(caught.value)


def test_a_process_that_does_not_run_is_refused() -> None:
    with pytest.raises(InvalidProcess):
        played(FILE, definitions(process("release", "s -> g -> e", g=complex_gateway())))
    with pytest.raises(InvalidProcess):
        played(FILE, definitions(process("other", "s -> e")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["start", "x", "expect", "P1D"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["start", "expect", "complete", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON, min_size=1, max_size=3))
def test_any_steps_are_played_or_refused(steps: list[Any]) -> None:
    try:
        file = parse(json.dumps({"scenarios": [{"name": "any", "steps": steps}]}))
    except BpmnError:
        return
    assert len(run(release(), file).results) == 1
