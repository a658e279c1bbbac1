"""Simulation: against what is known by formula, the same for the same seed, and what is said when a case does not end."""

from __future__ import annotations

from math import isnan
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.bpmn.errors import BpmnError, LimitExceeded
from modelyard.bpmn.model import Definitions
from modelyard.bpmn.reading import read
from modelyard.bpmn.simulation import (
    Outcome,
    Report,
    Scenario,
    SimulationLimits,
    compare,
    parse_distribution,
    simulate,
)
from modelyard.bpmn.simulation.report import duration, student
from tests.bpmn.bpmn_text import (
    Block,
    blocks,
    boundary,
    catch,
    definitions,
    each,
    error,
    event_based,
    expected_work,
    inc,
    message,
    par,
    process,
    script,
    structured,
    sub,
    timer,
    times,
    user,
    xml,
    xor,
)

HOUR = 3600.0


def of(text: str) -> Any:
    return parse_distribution(text)


def played(flows: str, scenario: Scenario | None = None, runs: int = 50, **nodes: Any) -> Report:
    return simulate(life_cycle(flows, **nodes), scenario=scenario or Scenario(), runs=runs, seed=7)


def life_cycle(flows: str, **nodes: Any) -> Definitions:
    return definitions(process("p", flows, **nodes))


def takes(text: str, **more: Any) -> Any:
    return user(extensions={"duration": text, **more})


# --- distributions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mean", "low", "high"),
    [
        ("PT2H", 2, 2, 2),
        ("uniform(PT1H, PT3H)", 2, 1, 3),
        ("triangular(PT1H, PT2H, PT6H)", 3, 1, 6),
        ("exponential(PT2H)", 2, 0, 1e9),
        ("exponential(PT2H, PT1H)", 0.4587, 0, 1),
        ("normal(PT5H, PT1H)", 5, 0, 1e9),
        ("normal(PT1H, PT1H, PT1H, PT2H)", 1.4599, 1, 2),
        ("normal(PT1H, PT0S)", 1, 1, 1),
    ],
)
def test_a_distribution_has_its_mean_and_stays_in_its_bounds(text: str, mean: float, low: float, high: float) -> None:
    random = Random(1)
    found = [of(text).sample(random) / HOUR for _ in range(20_000)]
    assert fmean(found) == pytest.approx(mean, rel=0.03)
    assert low <= min(found) + 1e-9
    assert max(found) <= high + 1e-9


@pytest.mark.parametrize(
    "text", ["", "2", "P1M", "PT-1H", "uniform(PT3H, PT1H)", "uniform(PT1H)", "gauss(PT1H)", "exponential(PT0S)", "fixed()"]
)
def test_what_is_no_distribution_is_refused(text: str) -> None:
    with pytest.raises(BpmnError):
        of(text)


@given(st.sampled_from(["uniform(PT1H, PT3H)", "exponential(PT1H)", "normal(PT1H, PT2H)"]), st.integers(0, 1000))
def test_a_sample_takes_one_random_number(text: str, seed: int) -> None:
    one, other = Random(seed), Random(seed)
    of(text).sample(one)
    other.random()
    assert one.random() == other.random()


# --- time -----------------------------------------------------------------------------------------------------------------------


def test_steps_in_a_row_add_up_and_branches_do_not() -> None:
    row = played("s -> a -> b -> e", a=takes("PT1H"), b=takes("PT3H"))
    assert row.lead.mean == 4 * HOUR
    assert row.bottleneck == "b"
    assert row.steps[0].share == 0.75
    side = played("s -> f; f -> a -> j; f -> b -> j; j -> e", f=par(), j=par(), a=takes("PT1H"), b=takes("PT3H"))
    assert side.lead.mean == 3 * HOUR
    assert {step.element: round(step.share, 4) for step in side.steps} == {"b": round(2.5 / 3, 4), "a": round(0.5 / 3, 4)}


def test_the_same_seed_gives_the_same_report() -> None:
    scenario = Scenario(durations={"a": of("exponential(PT1H)")})
    assert played("s -> a -> e", scenario) == played("s -> a -> e", scenario)
    other = simulate(life_cycle("s -> a -> e"), scenario=scenario, runs=50, seed=8)
    assert other.leads != played("s -> a -> e", scenario).leads


def test_waiting_is_told_from_working() -> None:
    found = played("s -> a -> e", a=takes("PT1H", wait="P1D"))
    assert (found.steps[0].waiting, found.steps[0].working) == (24 * HOUR, HOUR)


def test_a_case_waits_for_a_role_that_is_busy() -> None:
    scenario = Scenario(capacities={"risk": 1}, cases=3, durations={"a": of("PT2H")})
    found = played("s -> a -> e", scenario, runs=2, lanes={"risk": ("a",)})
    assert found.steps[0].waiting == 2 * HOUR  # nobody, one, two before it
    assert found.lead.quantiles[0.5] == 4 * HOUR
    assert found.roles[0].busy == 1.0


def test_a_queue_is_as_long_as_theory_says() -> None:
    """M/M/1 with a load of one half: the time in the system is 1 / (μ - λ) (Kleinrock, Queueing Systems, 3.2)."""
    scenario = Scenario(
        capacities={"clerk": 1}, cases=1500, arrivals=of("exponential(PT2H)"), durations={"a": of("exponential(PT1H)")}
    )
    found = played("s -> a -> e", scenario, runs=4, lanes={"clerk": ("a",)})
    assert found.lead.mean == pytest.approx(2 * HOUR, rel=0.15)
    assert found.roles[0].busy == pytest.approx(0.5, abs=0.05)


def test_timers_interrupt_work_and_free_who_does_it() -> None:
    flows = "s -> a -> e; late -> b -> e2"
    nodes = {"a": takes("P3D"), "b": takes("PT1H"), "late": boundary("a", timer("P1D"))}
    found = played(flows, Scenario(capacities={"x": 1}, cases=2), lanes={"x": ("a", "b")}, **nodes)
    assert found.ends == {"e2": 1.0}
    by_element = {step.element: step for step in found.steps}
    assert by_element["a"].working == 12 * HOUR  # one works a day and is interrupted, the other is never begun
    assert not found.unfinished


def test_events_take_time_and_may_not_come() -> None:
    nodes = {
        "g": event_based(),
        "m": catch(message("answer"), extensions={"wait": "PT5H", "probability": "0.5"}),
        "t": catch(timer("P1D")),
    }
    found = played("s -> g; g -> m -> e; g -> t -> e2", runs=400, **nodes)
    assert found.ends["e"] == pytest.approx(0.5, abs=0.08)
    assert set(found.leads) == {5 * HOUR, 24 * HOUR}
    assert found.bottleneck == "g"


# --- ways -----------------------------------------------------------------------------------------------------------------------


def test_flows_are_taken_as_often_as_is_said() -> None:
    scenario = Scenario(probabilities={"x_a": 0.2, "x_b": 0.3}, durations={"a": of("PT1H"), "b": of("PT2H")})
    found = played("s -> x; x -[ok]-> a -> e; x -[no]-> b -> e2; x -else-> e3", scenario, runs=2000, x=xor())
    assert found.ends["e"] == pytest.approx(0.2, abs=0.04)
    assert found.ends["e2"] == pytest.approx(0.3, abs=0.04)
    assert found.ends["e3"] == pytest.approx(0.5, abs=0.04)
    assert sum(found.ends.values()) == pytest.approx(1)


def test_a_loop_takes_its_geometric_number_of_turns() -> None:
    scenario = Scenario(probabilities={"x_m": 0.5}, durations={"a": of("PT1H")})
    found = played("s -> m -> a -> x; x -[again]-> m; x -else-> e", scenario, runs=2000, x=xor(), m=xor())
    assert found.lead.mean == pytest.approx(2 * HOUR, rel=0.1)
    assert found.steps[0].times == pytest.approx(2, rel=0.1)


def test_inclusive_gateways_draw_each_flow() -> None:
    scenario = Scenario(probabilities={"x_a": 0.5, "x_b": 0.5})
    found = played("s -> x; x -[a]-> a -> e; x -[b]-> b -> e2; x -else-> e3", scenario, runs=1000, x=inc())
    assert found.ends["e"] == pytest.approx(0.5, abs=0.06)
    assert found.ends["e3"] == pytest.approx(0.25, abs=0.06)


def test_conditions_over_data_are_still_evaluated() -> None:
    outcomes = {"a": (Outcome(0.25, {"ok": True}), Outcome(0.75, {"ok": False}))}
    found = played("s -> a -> x; x -[ok]-> e; x -else-> e2", Scenario(outcomes=outcomes), runs=1000, x=xor())
    assert found.ends["e"] == pytest.approx(0.25, abs=0.05)


def test_errors_happen_as_often_as_is_said() -> None:
    bad = boundary("a", error("bad"), extensions={"probability": "0.1"})
    found = played("s -> a -> e; bad -> e2", runs=1000, bad=bad)
    assert found.ends["e2"] == pytest.approx(0.1, abs=0.03)
    known = Scenario(outcomes={"a": (Outcome(code="bad"),)})
    assert played("s -> a -> e; bad -> e2", known, bad=boundary("a", error("bad"))).ends == {"e2": 1.0}


def test_loops_and_sub_processes() -> None:
    found = played("s -> big -> e", big=sub("s1 -> a -> e1", loop=times(3, sequential=True)), runs=3)
    assert found.steps[0].times == 3
    several = user(loop=each("[1, 2, 3, 4]"), extensions={"duration": "PT1H"})
    found = played("s -> a -> e", Scenario(capacities={"r": 2}), lanes={"r": ("a",)}, a=several)
    assert found.lead.mean == 2 * HOUR


@settings(max_examples=40, deadline=None)
@given(blocks(8))
def test_every_structured_process_is_played_to_its_end_with_all_its_work(block: Block) -> None:
    found = simulate(definitions(structured(block)), runs=1)
    assert not found.unfinished
    assert found.ends == {"e": 1.0}
    assert sum(step.times for step in found.steps) == expected_work(block)


# --- cost, comparing ------------------------------------------------------------------------------------------------------------


def test_cost_is_time_by_rate_and_what_each_execution_costs() -> None:
    found = played("s -> a -> e", Scenario(rates={"risk": 80.0}), a=takes("PT90M", cost="25"), lanes={"risk": ("a",)})
    assert found.cost.mean == 145.0


def test_comparing_tells_a_difference_and_tells_none_where_there_is_none() -> None:
    slow, quick = takes("exponential(PT4H)"), takes("exponential(PT3H)")
    before, after = played("s -> a -> e", a=slow, runs=300), played("s -> a -> e", a=quick, runs=300)
    found = compare(before, after)
    assert found.paired
    assert found.lead.told
    assert found.lead.low < found.lead.difference < found.lead.high < 0
    assert found.lead.difference == pytest.approx(-HOUR, rel=0.2)
    assert "shorter by" in found.lines[0]
    assert not compare(before, before).lead.told
    other = simulate(life_cycle("s -> a -> e", a=slow), runs=300, seed=5)
    unpaired = compare(before, other)
    assert not unpaired.paired
    assert "no difference can be told" in unpaired.lines[0]


@pytest.mark.parametrize(("freedom", "value"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (1e9, 1.9600)])
def test_student(freedom: float, value: float) -> None:
    assert student(freedom) == pytest.approx(value, rel=5e-3)


# --- what does not go well ------------------------------------------------------------------------------------------------------


def test_what_never_comes_is_named() -> None:
    found = played("s -> c -> e", c=catch(message("answer")), runs=3)
    assert list(found.unfinished.values()) == [3]
    assert "c" in next(iter(found.unfinished))
    assert isnan(found.lead.mean)
    assert found.lines


def test_a_condition_without_data_is_named() -> None:
    found = played("s -> a -> x; x -[ok]-> e; x -[not(ok)]-> e2", runs=3, x=xor())
    assert "ok" in next(iter(found.unfinished))


def test_endless_cases_are_bounded() -> None:
    flows = "s -> m -> a -> m2 -> m"
    found = simulate(life_cycle(flows, m=xor(), m2=xor()), runs=2, limits=SimulationLimits(events=200))
    assert dict(found.unfinished) == {"the limit of events was reached": 2}
    automatic = life_cycle("s -> m -> a -> m", m=xor(), a=script("1", "x"))
    assert "loop" in next(iter(simulate(automatic, runs=1).unfinished))


@pytest.mark.parametrize(
    ("scenario", "nodes", "why"),
    [
        (Scenario(durations={"q": of("PT1H")}), {}, "no element 'q'"),
        (Scenario(capacities={"q": 1}), {}, "no role 'q'"),
        (Scenario(probabilities={"x_e": 0.7, "x_e2": 0.7}), {}, "together"),
        (Scenario(probabilities={"x_e": 1.7}), {}, "no probability"),
        (Scenario(outcomes={"a": ()}), {}, "shares"),
        (Scenario(probabilities={"a": 0.5}), {}, "neither"),
        (Scenario(probabilities={"bad": 0.5}), {"a": sub("s1 -> t -> e1"), "bad": boundary("a", error())}, "at tasks"),
        (Scenario(), {"a": takes("soon")}, "no duration"),
        (Scenario(), {"a": takes("PT1H", cost="much")}, "no number"),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused(scenario: Scenario, nodes: Any, why: str) -> None:
    with pytest.raises(BpmnError, match=why):
        played("s -> a -> x; x -[p]-> e; x -[q]-> e2", scenario, x=xor(), **nodes)


def test_too_many_runs_are_refused() -> None:
    with pytest.raises(LimitExceeded):
        simulate(life_cycle("s -> e"), runs=10, limits=SimulationLimits(runs=5))


def test_what_a_file_says_is_used() -> None:
    made = process("p", "s -> a -> e", a=takes("PT1H", role="analyst", cost="3"))
    found = simulate(read(xml(made)), runs=2)
    assert (found.lead.mean, found.cost.mean, found.steps[0].role) == (HOUR, 3.0, "analyst")
    ways = xml(process("p", "s -> x; x -[unknown]-> e; x -else-> e2", x=xor()))
    told = simulate(read(ways.replace(b'id="x_e" ', b'id="x_e" modelyard:probability="0.25" ')), runs=1000)
    assert told.ends["e"] == pytest.approx(0.25, abs=0.05)


def test_durations_are_written_for_people() -> None:
    assert [duration(seconds) for seconds in (0, 59, 3660, 90000, -60)] == ["0 s", "59 s", "1 h 1 min", "1 d 1 h", "-1 min"]
