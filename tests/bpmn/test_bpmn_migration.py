"""Migration: what moves by itself, what needs to be told, what is refused, and that going on ends as it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.bpmn.engine import CompiledProcess, compile_process, step
from modelyard.bpmn.errors import InvalidState, MigrationRefused
from modelyard.bpmn.migration import Become, Plan, migrate, plan
from modelyard.bpmn.migration.elements import waits_as
from modelyard.bpmn.model import Gateway, Node, Process, Scope, SubProcess
from modelyard.bpmn.protocol import (
    Cancelled,
    DataChanged,
    IncidentResolved,
    InstanceEnded,
    MessageArrived,
    Started,
    StepEvent,
    SubscriptionWanted,
    TimerFired,
    TimerWanted,
    WorkBroke,
    WorkCompleted,
    WorkFailed,
    WorkWanted,
    WorkWithdrawn,
)
from modelyard.bpmn.state import State, dumps, loads
from tests.bpmn.bpmn_text import (
    Block,
    blocks,
    boundary,
    call,
    catch,
    compensated_by,
    compensation,
    condition,
    definitions,
    each,
    event_based,
    event_sub,
    inc,
    message,
    par,
    process,
    receive,
    service,
    structured,
    sub,
    throw,
    timer,
    times,
    user,
    xor,
)

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
LATER = AT + timedelta(days=2)


def compiled(flows: str, id_: str = "p", **more: Any) -> CompiledProcess:
    return compile_process(definitions(process(id_, flows, **more)))


class Played:
    """An instance and the effects it has had."""

    def __init__(self, process_: CompiledProcess, **data: Any) -> None:
        self.process, self.state = process_, State("", "")
        self.effects: list[Any] = []
        self._take(step(process_, None, Started(at=AT, data=data)))

    def _take(self, result: tuple[State, tuple[Any, ...]]) -> None:
        self.state = loads(dumps(result[0]))
        self.effects += result[1]

    def do(self, event: StepEvent) -> None:
        self._take(step(self.process, self.state, event))

    def wait(self, element: str) -> str:
        """The id of what is waited for at an element."""
        return next(wait.id for wait in self.state.waits.values() if wait.element == element)

    def complete(self, element: str, **result: Any) -> None:
        self.do(WorkCompleted(at=AT, work=self.wait(element), result=result))

    def plan(self, new: CompiledProcess, **moves: str) -> Plan:
        return plan(self.state, self.process, new, moves)

    def migrate(self, new: CompiledProcess, **moves: str) -> list[Any]:
        """The effects of it."""
        self.effects = []
        self._take(migrate(self.state, self.plan(new, **moves), LATER))
        self.process = new
        return [*self.effects]

    def finish(self) -> None:
        """Do all work, in the order in which it waits, until the instance ends."""
        for _ in range(500):
            work = next((wait for wait in self.state.waits.values() if wait.kind == "work"), None)
            if self.state.status != "running" or work is None:
                return
            self.do(WorkCompleted(at=LATER, work=work.id))
        raise AssertionError("the instance does not end")

    @property
    def places(self) -> set[str]:
        return {token.element for token in self.state.tokens.values()}

    @property
    def ended(self) -> Any:
        return next(effect for effect in reversed(self.effects) if isinstance(effect, InstanceEnded))


def of(effects: list[Any], kind: type) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, kind)]


def refused(found: Plan) -> str:
    assert found.problems, found.lines
    with pytest.raises(MigrationRefused) as caught:
        migrate(found.state, found, LATER)
    assert caught.value.problems == found.problems
    return str(caught.value)


# --- what moves -----------------------------------------------------------------------------------------------------------------


def test_a_token_at_an_element_of_the_same_id_moves_by_itself_and_keeps_its_work() -> None:
    played = Played(compiled("s -> a -> b -> e"), x=1)
    work = played.wait("a")
    effects = played.migrate(compiled("s -> a -> c -> b -> e"))
    assert effects == []
    assert played.wait("a") == work
    played.complete("a", y=2)
    assert played.places == {"c"}
    played.finish()
    assert played.ended.data == {"x": 1, "y": 2}


def test_a_renamed_element_needs_to_be_told() -> None:
    played = Played(compiled("s -> a -> e"))
    new = compiled("s -> review -> e")
    assert "say in `moves`" in refused(played.plan(new))
    work = played.wait("a")
    assert played.migrate(new, a="review") == []
    assert played.wait("review") == work
    assert played.places == {"review"}


def test_the_plan_is_shown_as_lines() -> None:
    old = compiled("s -> a -> e; late -> e", late=boundary("a", timer("P1D")))
    new = compiled("s -> b -> e; soon -> e", b=service("ask"), soon=boundary("b", timer("PT1H")))
    found = Played(old).plan(new, a="b")
    text = "\n".join(found.lines)
    assert "token t2 moves from a to b" in text or "moves from a to b" in text
    assert "timer" in text
    assert "is wanted anew" in text
    assert "another kind of work" in text
    assert found.problems == ()


def test_work_of_another_operation_is_withdrawn_and_wanted_anew_with_its_inputs() -> None:
    old = compiled("s -> a -> e", a=service("train"))
    new = compiled("s -> a -> e", a=service("retrain", inputs={"twice": "x * 2"}))
    played = Played(old, x=21)
    before = played.wait("a")
    effects = played.migrate(new)
    assert [effect.work for effect in of(effects, WorkWithdrawn)] == [before]
    wanted = of(effects, WorkWanted)[0]
    assert (wanted.what, wanted.data) == ("retrain", {"twice": 42})
    played.finish()
    assert played.ended.how == "completed"


def test_boundary_events_are_withdrawn_kept_and_wanted_anew() -> None:
    old = compiled("s -> a -> e; late -> e; gone -> e", late=boundary("a", timer("P1D")), gone=boundary("a", message("stop")))
    new = compiled("s -> a -> e; late -> e; soon -> e", late=boundary("a", timer("P1D")), soon=boundary("a", timer("PT1H")))
    played = Played(old)
    kept, dropped = played.wait("late"), played.wait("gone")
    effects = played.migrate(new)
    assert played.wait("late") == kept
    assert [effect.subscription for effect in effects if hasattr(effect, "subscription")] == [dropped]
    assert [effect.due for effect in of(effects, TimerWanted)] == [LATER + timedelta(hours=1)]


def test_a_timer_that_says_something_else_counts_from_the_migration() -> None:
    played = Played(compiled("s -> a -> e; late -> e", late=boundary("a", timer("P1D"))))
    effects = played.migrate(compiled("s -> a -> e; late -> e", late=boundary("a", timer("P3D"))))
    assert [effect.due for effect in of(effects, TimerWanted)] == [LATER + timedelta(days=3)]


def test_an_event_that_happened_already_is_not_waited_for_again() -> None:
    flows = "s -> a -> e; late -> note -> e2"
    old = compiled(flows, late=boundary("a", timer("P1D"), interrupting=False))
    played = Played(old)
    played.do(TimerFired(at=LATER, timer=played.wait("late")))
    assert played.migrate(compiled(flows, late=boundary("a", timer("P2D"), interrupting=False))) == []


def test_catching_events_receive_tasks_and_event_gateways() -> None:
    old = compiled("s -> c -> e", c=catch(message("go")))
    new = compiled("s -> g; g -> m -> e; g -> t -> e2", g=event_based(), m=catch(message("go")), t=catch(timer("P1D")))
    played = Played(old)
    effects = played.migrate(new, c="g")
    assert {effect.element for effect in [*of(effects, SubscriptionWanted), *of(effects, TimerWanted)]} == {"m", "t"}
    played.do(MessageArrived(at=LATER, subscription=played.wait("m")))
    assert played.ended.how == "completed"


def test_a_task_may_become_a_receive_task() -> None:
    played = Played(compiled("s -> a -> e"))
    effects = played.migrate(compiled("s -> a -> e", a=receive(message("done"))))
    assert [type(effect) for effect in effects] == [WorkWithdrawn, SubscriptionWanted]
    played.do(MessageArrived(at=LATER, subscription=played.wait("a")))
    assert played.ended.how == "completed"


def test_event_sub_processes_that_are_new_listen_and_those_gone_do_not() -> None:
    old = compiled("s -> a -> e", watch=event_sub("s2 -> stop -> e2", message("halt")))
    new = compiled("s -> a -> e", alarm=event_sub("s3 -> call -> e3", message("alarm")))
    played = Played(old)
    effects = played.migrate(new)
    assert [effect.name for effect in of(effects, SubscriptionWanted)] == ["alarm"]
    played.do(MessageArrived(at=LATER, subscription=played.wait("s3")))
    assert "call" in {token.element for token in played.state.tokens.values()}


def test_a_scope_interrupted_by_its_event_sub_process_does_not_listen_to_new_ones() -> None:
    events = {"watch": event_sub("s2 -> stop -> e2", message("halt"))}
    played = Played(compiled("s -> a -> e", **events))
    played.do(MessageArrived(at=AT, subscription=played.wait("s2")))
    assert played.migrate(compiled("s -> a -> e", alarm=event_sub("s3 -> b -> e3", message("alarm")), **events)) == []


def test_sub_processes_go_with_what_is_inside() -> None:
    played = Played(compiled("s -> big -> e", big=sub("s1 -> a -> e1", inputs={"n": "1 + 1"})))
    played.migrate(compiled("s -> large -> z -> e", large=sub("s1 -> a -> b -> e1")), big="large")
    assert played.places == {"large", "a"}
    played.complete("a")
    assert played.places == {"large", "b"}
    played.finish()
    assert played.ended.how == "completed"


def test_variables_that_the_new_definition_declares_begin() -> None:
    played = Played(compiled("s -> a -> e"), x=2)
    played.migrate(compiled("s -> a -> e", data={"y": "x + 1", "x": "0"}))
    assert {name: int(value) for name, value in played.state.data.items()} == {"x": 2, "y": 3}


def test_a_conditional_event_that_holds_already_happens_at_once() -> None:
    played = Played(compiled("s -> a -> e"), risk=9)
    played.migrate(compiled("s -> a -> e; high -> b -> e2", high=boundary("a", condition("risk > 5"))))
    assert played.places == {"b"}


def test_compensation_is_remembered_under_new_ids() -> None:
    old = compiled("s -> book -> a -> undo -> e; cancel_it", undo=throw(compensation()), back=compensated_by("book", "cancel_it"))
    new = compiled("s -> reserve -> a -> undo -> e; free", undo=throw(compensation()), back=compensated_by("reserve", "free"))
    played = Played(old)
    played.complete("book")
    assert "compensated" in refused(played.plan(compiled("s -> book -> a -> e")))
    played.migrate(new, book="reserve")
    played.complete("a")
    assert "free" in played.places
    played.finish()
    assert played.ended.how == "completed"


def test_incidents_go_along_and_can_be_retried() -> None:
    played = Played(compiled("s -> a -> e", a=service("x")))
    played.do(WorkBroke(at=AT, work=played.wait("a"), message="no network"))
    played.migrate(compiled("s -> b -> e", b=service("y")), a="b")
    incident = next(iter(played.state.incidents.values()))
    assert incident.element == "b"
    played.do(IncidentResolved(at=LATER, incident=incident.id, how="retry"))
    assert of(played.effects, WorkWanted)[-1].what == "y"


def test_turns_of_a_loop_that_did_not_change_go_along() -> None:
    played = Played(compiled("s -> many -> e", many=user(loop=each("xs"))), xs=[1, 2, 3])
    played.complete("many")
    assert played.migrate(compiled("s -> several -> z -> e", several=user(loop=each("xs"))), many="several") == []
    played.finish()
    assert played.ended.how == "completed"


# --- gateways that join ---------------------------------------------------------------------------------------------------------


def split(branches: str, **more: Any) -> CompiledProcess:
    flows = "; ".join(["s -> f", *(f"f -> {name} -> j" for name in branches), "j -> e"])
    return compiled(flows, f=par(), j=par(), **more)


def test_a_token_at_a_join_goes_along() -> None:
    played = Played(split("ab"))
    played.complete("a")
    assert played.migrate(split("ab")) == []
    played.complete("b")
    assert played.ended.how == "completed"


def test_a_join_that_has_all_its_tokens_now_goes_on() -> None:
    played = Played(split("abc"))
    played.complete("a")
    played.complete("b")
    found = played.plan(compiled("s -> f; f -> a -> j; f -> b -> j; j -> e; c", f=par(), j=par(), c=user()))
    migrated, effects = migrate(played.state, found, LATER)
    assert "j" not in {token.element for token in migrated.tokens.values()}
    assert migrated.status == "running"
    assert of([*effects], WorkWanted) == []


def test_a_new_branch_that_no_token_is_in_would_block_the_join() -> None:
    played = Played(split("ab"))
    assert "wait for ever" in refused(played.plan(split("abc")))
    played.complete("a")
    assert "wait for ever" in refused(played.plan(split("abc")))


def test_branches_put_in_a_row_would_be_done_twice() -> None:
    played = Played(split("ab"))
    assert "done twice" in refused(played.plan(compiled("s -> a -> b -> e")))


def test_a_branch_that_moved_to_another_flow_needs_to_be_told() -> None:
    played = Played(split("ab"))
    played.complete("a")
    new = split("xb")
    assert "by flow 'a_j'" in refused(played.plan(new))
    played.migrate(new, a_j="x_j")
    played.complete("b")
    assert played.ended.how == "completed"


# --- what is refused ------------------------------------------------------------------------------------------------------------

NEW: list[tuple[str, Callable[[], CompiledProcess], Callable[[], CompiledProcess], dict[str, str], str]] = [
    ("gone", lambda: compiled("s -> a -> e"), lambda: compiled("s -> b -> e"), {}, "does not have it"),
    ("gateway", lambda: compiled("s -> a -> e"), lambda: compiled("s -> x -> e", x=xor()), {"a": "x"}, "cannot wait"),
    ("into", lambda: compiled("s -> a -> e"), lambda: compiled("s -> b -> e", b=sub("s1 -> a -> e1")), {}, "inside 'b'"),
    ("out of", lambda: compiled("s -> b -> e", b=sub("s1 -> a -> e1")), lambda: compiled("s -> b -> a -> e"), {}, "sub-process"),
    ("loop", lambda: compiled("s -> a -> e"), lambda: compiled("s -> a -> e", a=user(loop=times(2))), {}, "no turn"),
    (
        "another loop",
        lambda: compiled("s -> a -> e", a=user(loop=times(2))),
        lambda: compiled("s -> a -> e", a=user(loop=times(2, sequential=True))),
        {},
        "its loop",
    ),
    ("no loop", lambda: compiled("s -> a -> e", a=user(loop=times(2))), lambda: compiled("s -> a -> e"), {}, "its loop"),
    ("another join", lambda: split("ab"), lambda: compiled("s -> f; f -> a -> j; f -> b -> j; j -> e", f=par(), j=inc()), {}, ""),
    ("no such source", lambda: compiled("s -> a -> e"), lambda: compiled("s -> a -> e"), {"q": "a"}, "old definition"),
    ("no such target", lambda: compiled("s -> a -> e"), lambda: compiled("s -> a -> e"), {"a": "q"}, "'q'"),
    (
        "event",
        lambda: compiled("s -> a -> e"),
        lambda: compiled("s -> c -> e", c=catch(timer("P1D"))),
        {"a": "c"},
        "another kind",
    ),
]


@pytest.mark.parametrize(("old", "new", "moves", "why"), [case[1:] for case in NEW], ids=[case[0] for case in NEW])
def test_refused(old: Any, new: Any, moves: dict[str, str], why: str) -> None:
    played = Played(old())
    if why == "":
        played.complete("a")
        why = "another kind of gateway"
    before = dumps(played.state)
    assert why in refused(played.plan(new(), **moves))
    assert dumps(played.state) == before


def test_an_ended_instance_and_a_foreign_one() -> None:
    process_ = compiled("s -> a -> e")
    played = Played(process_)
    other = compiled("s -> b -> e")
    with pytest.raises(InvalidState, match="not of the old definition"):
        plan(played.state, other, process_)
    played.do(Cancelled(at=AT))
    assert "has cancelled" in refused(played.plan(other))


def test_a_plan_is_for_the_state_that_it_was_made_for() -> None:
    played = Played(compiled("s -> a -> b -> e"))
    found = played.plan(compiled("s -> a -> b -> e"))
    played.complete("a")
    with pytest.raises(MigrationRefused, match="plan again"):
        migrate(played.state, found, LATER)


def test_an_expression_of_the_new_definition_that_fails_refuses_and_changes_nothing() -> None:
    played = Played(compiled("s -> a -> e"))
    found = played.plan(compiled("s -> a -> e; late -> e", late=boundary("a", timer('duration("?")'))))
    before = dumps(played.state)
    with pytest.raises(MigrationRefused):
        migrate(played.state, found, LATER)
    assert dumps(played.state) == before


# --- properties -----------------------------------------------------------------------------------------------------------------


def played_some(process_: CompiledProcess, choices: list[int]) -> Played:
    played = Played(process_)
    for choice in choices:
        works = [wait for wait in played.state.waits.values() if wait.kind == "work"]
        if played.state.status != "running" or not works:
            break
        played.do(WorkCompleted(at=AT, work=works[choice % len(works)].id))
    return played


CHOICES = st.lists(st.integers(0, 5), max_size=8)


@settings(max_examples=60, deadline=None)
@given(blocks(8), CHOICES)
def test_migrating_to_the_same_definition_changes_nothing(block: Block, choices: list[int]) -> None:
    process_ = compile_process(definitions(structured(block)))
    played = played_some(process_, choices)
    if played.state.status == "running":
        found = plan(played.state, process_, process_)
        assert found.problems == ()
        assert {move.become for move in found.moves} <= {Become.KEPT}
        assert migrate(played.state, found, LATER) == (played.state, ())


RICH = {
    "f": par(),
    "j": par(),
    "late": boundary("a", timer("R/PT1H"), interrupting=False),
    "b": sub("s1 -> i -> e1", loop=times(2)),
    "c": receive(message("news", '"k"')),
    "d": call("other", loop=each("[1, 2]", sequential=True)),
    "watch": event_sub("s9 -> w -> e9", message("watch"), interrupting=False),
    "back": compensated_by("a", "undo"),
    "t": throw(compensation()),
}
FLOWS = "s -> f; f -> a -> j; f -> b -> j; f -> c -> j; f -> d -> j; j -> t -> e; late -> note -> e3; undo"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["good", "broke", "failed"])), max_size=12))
def test_migrating_to_the_same_definition_changes_nothing_of_what_is_not_structured(turns: list[tuple[int, str]]) -> None:
    process_ = compiled(FLOWS, **RICH)
    played = Played(process_)
    for number, how in turns:
        open_ = [*played.state.waits.values(), *played.state.incidents.values()]
        if played.state.status != "running" or not open_:
            break
        played.do(_event(open_[number % len(open_)], how))
    if played.state.status == "running":
        found = plan(played.state, process_, compiled(FLOWS, **RICH))
        assert found.problems == ()
        assert migrate(played.state, found, LATER) == (played.state, ())


def _event(of_: Any, how: str) -> StepEvent:
    kind = getattr(of_, "kind", "incident")
    if kind == "work" and how != "good":
        failed = WorkFailed(at=AT, work=of_.id, code="E")
        return failed if how == "failed" else WorkBroke(at=AT, work=of_.id, message="")
    made: dict[str, StepEvent] = {
        "work": WorkCompleted(at=AT, work=of_.id),
        "timer": TimerFired(at=AT, timer=of_.id),
        "message": MessageArrived(at=AT, subscription=of_.id),
        "incident": IncidentResolved(at=AT, incident=of_.id, how="skip" if how == "failed" else "retry"),
    }
    return made.get(kind, DataChanged(at=AT, data={}))


@settings(max_examples=60, deadline=None)
@given(blocks(8), CHOICES, st.integers(0, 3))
def test_going_on_after_a_migration_ends_as_the_new_definition_would(block: Block, choices: list[int], extra: int) -> None:
    """The new definition has further work before the end; whoever migrates before it does it too."""
    old = compile_process(definitions(structured(block)))
    new_block: Block = ("seq", (block, *([("task",)] * extra))) if extra else block
    new = compile_process(definitions(_renumbered(structured(block), new_block)))
    played = played_some(old, choices)
    if played.state.status != "running":
        return
    played.migrate(new)
    played.finish()
    fresh = Played(new)
    fresh.finish()
    assert played.state.status == fresh.state.status == "completed"
    assert played.ended.data == fresh.ended.data


@settings(max_examples=60, deadline=None)
@given(blocks(8), CHOICES)
def test_when_everything_is_renamed_everything_moves(block: Block, choices: list[int]) -> None:
    plain = structured(block)
    renamed = replace(plain, id="other", body=_renamed(plain.body))
    new = compile_process(definitions(renamed))
    played = played_some(compile_process(definitions(plain)), choices)
    if played.state.status != "running":
        return
    work = {wait.id for wait in played.state.waits.values()}
    moves = {id_: f"new_{id_}" for id_ in _ids(plain.body)}
    found = plan(played.state, played.process, new, moves)
    assert found.problems == ()
    assert {move.become for move in found.moves} == {Become.MOVES}
    assert played.migrate(new, **moves) == []
    assert {wait.id for wait in played.state.waits.values()} == work
    played.finish()
    assert played.state.status == "completed"


def _renamed(body: Scope) -> Scope:
    nodes: dict[str, Node] = {}
    for node in body.nodes.values():
        made = replace(
            node,
            id=f"new_{node.id}",
            incoming=tuple(f"new_{flow}" for flow in node.incoming),
            outgoing=tuple(f"new_{flow}" for flow in node.outgoing),
        )
        if isinstance(made, SubProcess):
            made = replace(made, body=_renamed(made.body))
        if isinstance(made, (Gateway, SubProcess)) and made.default is not None:
            made = replace(made, default=f"new_{made.default}")
        nodes[made.id] = made
    flows = {
        f"new_{flow.id}": replace(flow, id=f"new_{flow.id}", source=f"new_{flow.source}", target=f"new_{flow.target}")
        for flow in body.flows.values()
    }
    return replace(body, nodes=nodes, flows=flows)


def _ids(body: Scope) -> list[str]:
    found = [*body.nodes, *body.flows]
    for node in body.nodes.values():
        found += _ids(node.body) if isinstance(node, SubProcess) else []
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
@given(blocks(8), blocks(8), CHOICES, st.data())
def test_between_any_two_definitions_it_is_refused_or_goes_on_to_the_end(
    one: Block, other: Block, choices: list[int], data: st.DataObject
) -> None:
    """Nothing is left waiting for ever at a gateway, whatever goes where."""
    old, new = (compile_process(definitions(structured(block))) for block in (one, other))
    played = played_some(old, choices)
    if played.state.status != "running":
        return
    moves: dict[str, str] = {}
    for token in played.state.tokens.values():
        if token.element not in new.nodes and token.element not in moves:
            kind = waits_as(old.nodes[token.element])
            alike = [id_ for id_ in sorted(new.nodes) if waits_as(new.nodes[id_]) == kind]
            moves[token.element] = data.draw(st.sampled_from(alike or sorted(new.nodes)))
    found = played.plan(new, **moves)
    if found.problems:
        refused(found)
        return
    played.migrate(new, **moves)
    played.finish()
    assert played.state.status == "completed", found.lines


def test_two_branches_made_one_would_be_done_twice() -> None:
    played = Played(split("abc"))
    new = split("ab")
    assert "same way" in refused(played.plan(new, c="b"))
    played.complete("b")
    assert "same way" in refused(played.plan(new, c="b"))


def _renumbered(process_: Process, block: Block) -> Process:
    """The process of the wider block: its ids begin as those of the inner one, of which it is made first."""
    wider = structured(block)
    assert {*process_.body.nodes} <= {*wider.body.nodes}
    return wider
