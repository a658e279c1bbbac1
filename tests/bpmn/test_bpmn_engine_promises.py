"""What holds for every process: nothing hangs, no token is lost, steps stay cheap, the same gives the same, bad events change
nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.bpmn.engine import compile_process, step
from modelyard.bpmn.errors import InvalidEvent, InvalidProcess, InvalidState
from modelyard.bpmn.model import EventDefinition, SubProcess, Trigger
from modelyard.bpmn.protocol import (
    DataChanged,
    IncidentRaised,
    IncidentResolved,
    Limits,
    MessageArrived,
    SignalArrived,
    Started,
    StepEvent,
    StepTaken,
    TimerFired,
    WorkBroke,
    WorkCompleted,
    WorkEscalated,
    WorkFailed,
    WorkWanted,
)
from modelyard.bpmn.state import State, dumps
from tests.bpmn import bpmn_text as b
from tests.bpmn import test_bpmn_engine as engine
from tests.bpmn import test_bpmn_engine_events as engine_events
from tests.bpmn import test_bpmn_engine_scopes as engine_scopes
from tests.bpmn.bpmn_play import BEGIN, Player, Scenario
from tests.bpmn.bpmn_text import (
    Block,
    blocks,
    boundary,
    catch,
    complex_gateway,
    condition,
    definitions,
    error,
    expected_work,
    inc,
    loop,
    message,
    par,
    process,
    script,
    signal,
    start,
    structured,
    sub,
    task,
    timer,
    times,
    user,
    xor,
)


def played(text: str, play: str, limits: Limits | None = None, **nodes: Any) -> Player:
    return Player(compile_process(definitions(process("p", text, **nodes))), limits=limits).play(play)


# --- random structured processes ------------------------------------------------------------------------------------------------


@given(blocks(), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_structured_process_ends_in_whatever_order_its_work_is_done(block: Block, order: Random, saving: bool) -> None:
    player = Player(compile_process(definitions(structured(block))), saving=saving)
    player.do("start")
    done = 0
    while player.work:
        player.do(player.work[order.choice(sorted(player.work))].element)
        done += 1
    player.do("completed")
    assert done == expected_work(block)
    assert not player.incidents


@given(blocks(6), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_process_can_be_interrupted_at_any_moment_and_leaves_nothing_behind(block: Block, order: Random) -> None:
    inner = structured(block).body
    nodes = {"stop": boundary("p", message("stop")), "p": lambda id_: SubProcess(id=id_, body=inner)}
    made = process("p", "start -> p -> end; stop -> end2", **nodes)
    player = Player(compile_process(definitions(made)))
    player.do("start")
    for _ in range(order.randrange(6)):
        if player.work:
            player.do(player.work[order.choice(sorted(player.work))].element)
    if player.state is not None and player.state.status == "running":
        player.do("<stop")
    player.do("completed")


@given(st.integers(2, 6), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_a_parallel_gateway_gives_one_token_to_each_flow_and_takes_one_of_each(width: int, rows: int, order: Random) -> None:
    lines, before = [], "s"
    for row in range(rows):
        lines += [f"{before} -> f{row}", *(f"f{row} -> a{row}x{place} -> j{row}" for place in range(width))]
        before = f"j{row}"
    gateways = {f"{kind}{row}": par() for row in range(rows) for kind in "fj"}
    player = Player(compile_process(definitions(process("p", "; ".join([*lines, f"{before} -> e"]), **gateways))))
    player.do("start")
    while player.work:
        assert player.state is not None
        assert len(player.state.tokens) == width
        player.do(order.choice(player.open))
    player.do("completed")


@given(blocks(6), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_same_events_give_the_same_bytes(block: Block, order: Random) -> None:
    compiled = [compile_process(definitions(structured(block))) for _ in range(2)]
    first, second = (Player(each) for each in compiled)
    first.do("start")
    second.do("start")
    while first.work:
        element = order.choice(first.open)
        first.do(element)
        second.do(element)
        assert first.saved == second.saved
    assert first.history == second.history


EXAMPLES = [*engine.SCENARIOS, *engine_events.SCENARIOS, *engine_scopes.SCENARIOS]


@given(st.sampled_from(EXAMPLES), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_in_whatever_order_is_the_same_when_saved_between(scenario: Scenario, chance: Random) -> None:
    """Every process of the scenarios, with events that fit but that nobody planned; the player's own checks hold all along. An
    instance that is not at its end waits for something."""
    compiled, limits = scenario.compiled(), Limits(steps=300, tokens=60)
    straight, saved = Player(compiled, limits=limits), Player(compiled, saving=True, limits=limits)
    event: StepEvent = Started(at=BEGIN, start=compiled.starts[0].element if compiled.starts else None, data={"x": 1, "n": 2})
    for _ in range(12):
        straight.step(event)
        saved.step(event)
        assert straight.saved == saved.saved
        assert straight.effects == saved.effects
        assert straight.state is not None
        if straight.state.status != "running":
            return
        assert straight.state.waits or straight.state.incidents
        event = chance.choice(_fitting(straight))


def _fitting(player: Player) -> list[StepEvent]:
    """The events that fit, at least one change of data."""
    at = player.at
    found: list[StepEvent] = [DataChanged(at=at, data={"x": 5}), DataChanged(at=at, data={"x": 0, "n": 3})]
    for work in player.work:
        result = {"x": 2, "n": 9, "ok": True, "k": 1}
        found += [
            WorkCompleted(at=at, work=work, result=result),
            WorkCompleted(at=at, work=work),
            WorkBroke(at=at, work=work, message=""),
        ]
        found += [WorkFailed(at=at, work=work, code="E1"), WorkEscalated(at=at, work=work, code="X")]
    found += [TimerFired(at=at, timer=timer_) for timer_ in player.timers]
    for id_, wanted in player.subscriptions.items():
        found.append(SignalArrived(at=at, name=wanted.name) if wanted.signal else MessageArrived(at=at, subscription=id_))
    return found + [IncidentResolved(at=at, incident=id_, how=how) for id_ in player.incidents for how in ("retry", "skip")]


# --- cost -----------------------------------------------------------------------------------------------------------------------


def calls(work: Callable[[], object]) -> int:
    """How many Python functions the work calls: a cost that does not depend on the machine."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_ten_thousand_turns_cost_what_the_first_cost() -> None:
    compiled = compile_process(definitions(process("p", "s -> x -> a -> y; y -[n < 10000]-> x; y -else-> e", x=xor(), y=xor())))
    state, effects = step(compiled, None, Started(at=BEGIN))
    sizes, costs = {}, {}
    for turn in range(1, 10_001):
        work = next(effect.work for effect in effects if isinstance(effect, WorkWanted))
        event = WorkCompleted(at=BEGIN, work=work, result={"n": turn})
        if turn in (10, 9_990):
            costs[turn] = calls(lambda event=event, before=state: step(compiled, before, event))  # type: ignore[misc]
            sizes[turn] = len(dumps(state))
        state, effects = step(compiled, state, event)
    assert state.status == "completed"
    assert costs[9_990] <= costs[10] + 5
    assert sizes[9_990] <= sizes[10] + 40  # longer numbers


@pytest.mark.parametrize("kind", [par, inc])
def test_ten_gateways_in_a_row_stay_linear(kind: Any) -> None:
    def taken(rows: int) -> int:
        text, before = "", "s"
        for row in range(rows):
            text += f"{before} -> f{row}; f{row} -> a{row} -> j{row}; f{row} -> b{row} -> j{row}; "
            before = f"j{row}"
        nodes = {
            f"{name}{row}": make
            for row in range(rows)
            for name, make in zip("fjab", (kind(), kind(), task(), task()), strict=True)
        }
        player = played(f"{text}{before} -> e", "completed", **nodes)
        return sum(isinstance(effect, StepTaken) for effect in player.history)

    assert taken(20) - taken(10) == taken(10) - taken(0)


def test_a_step_among_many_instances_costs_what_it_costs_among_few() -> None:
    def cost(instances: int) -> int:
        compiled = compile_process(definitions(process("p", "s -> a -> e", a=user(loop=times(instances)))))
        state, effects = step(compiled, None, Started(at=BEGIN))
        work = next(effect.work for effect in effects if isinstance(effect, WorkWanted))
        return calls(lambda: step(compiled, state, WorkCompleted(at=BEGIN, work=work)))

    assert cost(2_000) <= cost(20) + 5


# --- automatic loops, limits ----------------------------------------------------------------------------------------------------


def test_an_endless_automatic_loop_is_an_incident_and_can_go_on_when_it_is_mended() -> None:
    player = played(
        "s -> x -> a -> y; y -[stop = true]-> e; y -else-> x",
        "incident loop",
        Limits(steps=200),
        x=xor(),
        y=xor(),
        a=script("1", "n"),
    )
    player.do("retry")
    player.do("incident loop")
    player.do("retry {stop: true}")
    player.do("completed")


def test_an_endless_loop_activity_is_an_incident() -> None:
    player = played("s -> a -> e", "incident loop | cancel | cancelled", Limits(steps=200), a=script("1", "n", loop=loop("true")))
    assert any(isinstance(effect, IncidentRaised) and effect.element == "a" for effect in player.history)


def test_a_loop_that_makes_ever_more_tokens_is_an_incident() -> None:
    player = played("s -> x -> f; f -> x; f -> a", "start", Limits(tokens=50), x=xor(), f=par())
    assert player.state is not None
    assert len(player.state.tokens) <= 50
    assert {effect.cause for effect in player.incidents.values()} == {"loop"}


def test_too_many_instances_are_an_incident() -> None:
    played("s -> a -> e", "incident loop | skip | completed", Limits(instances=10), a=user(loop=times(11)))


def test_long_chains_do_not_recurse() -> None:
    chain = " -> ".join(f"n{index}" for index in range(3_000))
    played(f"s -> {chain} -> e", "completed", **{f"n{index}": task() for index in range(3_000)})


# --- events that do not fit -----------------------------------------------------------------------------------------------------


def waiting() -> Player:
    return played(
        "s -> a -> m -> e; late -> b; go -> c",
        "start",
        m=catch(message("paid")),
        late=boundary("a", timer("PT1H"), interrupting=False),
        go=boundary("a", signal("go")),
    )


@pytest.mark.parametrize(
    "event",
    [
        WorkCompleted(at=BEGIN, work="w99"),
        WorkCompleted(at=BEGIN, work="t1"),
        TimerFired(at=BEGIN, timer="w99"),
        MessageArrived(at=BEGIN, subscription="paid"),
        SignalArrived(at=BEGIN, name="stop"),
        Started(at=BEGIN),
        WorkCompleted(at=datetime(2026, 1, 1), work="w3"),  # noqa: DTZ001 # that is what is refused
    ],
    ids=["work", "no work", "timer", "message", "signal", "started twice", "no offset"],
)
def test_what_nobody_waits_for_is_refused_and_changes_nothing(event: StepEvent) -> None:
    player = waiting()
    assert player.state is not None
    before = dumps(player.state)
    with pytest.raises(InvalidEvent):
        step(player.compiled, player.state, event)
    assert dumps(player.state) == before


def test_a_duplicate_is_refused() -> None:
    player = waiting()
    work = next(iter(player.work))
    timer_ = next(iter(player.timers))
    player.do("@late")
    player.do("a")
    assert player.state is not None
    for event in (WorkCompleted(at=BEGIN, work=work), TimerFired(at=BEGIN, timer=timer_)):
        with pytest.raises(InvalidEvent, match="nothing waits"):
            step(player.compiled, player.state, event)


def test_an_instance_that_has_ended_takes_no_events() -> None:
    player = played("s -> a -> e", "a | completed")
    assert player.state is not None
    with pytest.raises(InvalidEvent, match="ended"):
        step(player.compiled, player.state, SignalArrived(at=BEGIN, name="go"))


@pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}, len], ids=["object", "nan", "key", "function"])
def test_data_that_are_no_values_are_refused(value: Any) -> None:
    player = waiting()
    with pytest.raises(InvalidEvent):
        step(player.compiled, player.state, WorkCompleted(at=BEGIN, work=next(iter(player.work)), result={"x": value}))


def test_a_state_of_another_definition_is_refused() -> None:
    player = waiting()
    other = compile_process(definitions(process("p", "s -> a -> e")))
    with pytest.raises(InvalidState):
        step(other, player.state, WorkCompleted(at=BEGIN, work=next(iter(player.work))))


def test_a_process_with_several_plain_starts_wants_to_know_which() -> None:
    compiled = compile_process(definitions(process("p", "s1 -> a -> e; s2 -> b -> e2")))
    with pytest.raises(InvalidEvent, match="say which"):
        step(compiled, None, Started(at=BEGIN))
    with pytest.raises(InvalidEvent, match="no start"):
        step(compiled, None, Started(at=BEGIN, start="s3"))
    assert Player(compiled).play("start:s2").open == ["b"]


def test_an_event_without_a_state_begins_nothing() -> None:
    compiled = compile_process(definitions(process("p", "s -> a -> e")))
    with pytest.raises(InvalidEvent, match="begins with Started"):
        step(compiled, None, SignalArrived(at=BEGIN, name="go"))


# --- what compiles --------------------------------------------------------------------------------------------------------------


def test_the_starts_of_a_process_are_told() -> None:
    made = process("p", "s1 -> a -> e; s2 -> a; s3 -> a", s2=start(message("paid", "id")), s3=start(timer("R/P1D")))
    found = [(way.element, way.trigger, way.name, way.key, way.expression) for way in compile_process(definitions(made)).starts]
    assert found == [
        ("s1", Trigger.NONE, None, None, None),
        ("s2", Trigger.MESSAGE, "paid", "id", None),
        ("s3", Trigger.TIMER, None, None, "R/P1D"),
    ]


@pytest.mark.parametrize(
    ("made", "element"),
    [
        (lambda: process("p", "s -> c -> e", c=complex_gateway()), "c"),
        (lambda: process("p", "s -> e", x=boundary("nowhere", error())), "x"),
        (lambda: process("p", "s -> l", l=b.throw(b.link("L"))), "l"),
        (lambda: process("p", "s -> a -> e", v=sub("s1 -> e1", event=True)), "v"),
        (lambda: process("p", "s -> a -> e", a=sub("s -> e1")), "s"),
        (lambda: process("p", "s -> g", g=b.event_based()), "g"),
        (lambda: process("p", "s -> g; g -> a; g -> c", g=b.event_based(), c=catch(signal("go"))), "g"),
        (lambda: process("p", "s -> c -> e", c=catch(error())), "c"),
        (lambda: process("p", "s -> a -> e", x=boundary("a", b.terminate)), "x"),
    ],
    ids=[
        "complex gateway",
        "boundary of nothing",
        "link to nowhere",
        "event sub-process without event",
        "two of one id",
        "event-based gateway to nowhere",
        "event-based gateway to a task",
        "catching an error in the flow",
        "boundary that terminates",
    ],
)
def test_what_cannot_be_executed_does_not_compile(made: Callable[[], Any], element: str) -> None:
    with pytest.raises(InvalidProcess) as caught:
        compile_process(definitions(made()))
    assert element in {problem.element for problem in caught.value.problems}


def test_a_process_that_is_not_there_does_not_compile() -> None:
    with pytest.raises(InvalidProcess, match="no process 'q'"):
        compile_process(definitions(process("p", "s -> e")), "q")
    with pytest.raises(InvalidProcess, match="say which"):
        compile_process(definitions(process("p", "s -> e"), process("q", "s -> e")))


# --- effects --------------------------------------------------------------------------------------------------------------------


def test_work_tells_what_it_is() -> None:
    made = process(
        "p", "s -> a -> e", a=b.service("jobs.run", extensions={"retries": "3"}, inputs={"x": "n + 1"}), lanes={"Ops": ("a",)}
    )
    player = Player(compile_process(definitions(made))).play("start {n: 2}")
    work = next(iter(player.work.values()))
    assert (work.kind, work.what, work.lane, work.name) == ("serviceTask", "jobs.run", "Ops", "a")
    assert (work.data, work.extensions) == ({"x": Decimal(3)}, {"retries": "3"})


def test_every_node_that_is_entered_is_left_or_interrupted() -> None:
    player = played(
        "s -> f; f -> a -> j; f -> p -> j; j -> e; t -> e2",
        "b | @t | a | cancel",
        f=par(),
        j=par(),
        p=sub("s1 -> b -> c -> e1"),
        t=boundary("p", timer("PT1H")),
    )
    steps = [effect for effect in player.history if isinstance(effect, StepTaken)]
    entered = sorted((each.element, each.token) for each in steps if each.what == "entered")
    gone = sorted((each.element, each.token) for each in steps if each.what in ("left", "interrupted"))
    assert entered == gone
    assert {each.at for each in steps} >= {BEGIN}


def test_ids_are_never_given_twice() -> None:
    player = played("s -> a -> e; t -> b", "@t | @t | @t", t=boundary("a", timer("R/PT1H"), interrupting=False))
    ids = [effect.work for effect in player.history if isinstance(effect, WorkWanted)]
    assert len({*ids}) == len(ids) == 4


def test_what_was_given_to_a_step_is_not_shared_with_the_state() -> None:
    data: dict[str, Any] = {"l": [1, 2]}
    compiled = compile_process(definitions(process("p", "s -> a -> e")))
    state, _ = step(compiled, None, Started(at=BEGIN, data=data))
    data["l"].append(3)
    assert state.data["l"] == [Decimal(1), Decimal(2)]


def test_a_condition_on_data_that_are_not_there_waits() -> None:
    player = played("s -> c -> a -> e", "= {y: 1}", c=catch(condition("x.y > 1")))
    assert isinstance(player.state, State)
    player.do("= {x: {y: 2}}")
    player.do("[a]")


def test_an_error_without_a_code_is_caught_by_what_catches_all() -> None:
    played("s -> p -> e; x -> b", "[b]", p=sub("s1 -> z", z=b.end(EventDefinition(Trigger.ERROR))), x=boundary("p", error()))


def test_events_that_cause_each_other_without_end_are_an_incident() -> None:
    rises, falls = condition("x > 0"), condition("x < 1")
    player = played(
        "s -> a -> e",
        "start {x: 1}",
        Limits(steps=200),
        up=b.event_sub("s1 -> down -> e1", rises, interrupting=False, down=script("0", "x")),
        down_=b.event_sub("s2 -> raised -> e2", falls, interrupting=False, raised=script("1", "x")),
    )
    assert {effect.cause for effect in player.incidents.values()} == {"loop"}
    assert len(player.effects) < 5_000
    player.do("[a]")


def test_a_signal_that_is_thrown_reaches_who_waits_then_and_not_who_waits_later() -> None:
    flows = "s -> f; f -> m -> n -> a -> e; f -> x -> t -> e2"
    go = signal("go")
    played(flows, "x | [] | ~go | [a]", f=par(), m=catch(go), n=catch(go), t=b.throw(go))
