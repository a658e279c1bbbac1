"""Sub-processes, transactions, compensation, loops and multi-instance, in small processes.

Each is played straight, and with the state saved and loaded after every step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bpmn import bpmn_text as b
from tests.bpmn.bpmn_play import Scenario, play_twice
from tests.bpmn.bpmn_text import (
    boundary,
    cancel,
    compensated_by,
    compensation,
    each,
    end,
    error,
    escalation,
    event_sub,
    loop,
    par,
    script,
    sub,
    throw,
    timer,
    times,
    user,
    xor,
)

SCENARIOS: list[Scenario] = []


def case(name: str, flows: str, play: str, data: dict[str, str | None] | None = None, **nodes: Any) -> None:
    SCENARIOS.append(Scenario(name, flows, play, nodes, data))


# --- sub-processes --------------------------------------------------------------------------------------------------------------

case("a sub-process", "s -> p -> b -> e", "[a] | a | [b] | b | completed", p=sub("s1 -> a -> e1"))
case("an empty sub-process", "s -> p -> b -> e", "[b]", p=sub(""))
case("a sub-process ends with its last token", "s -> p -> b -> e", "a | [c] | c | [b]", p=sub("s1 -> f; f -> a; f -> c", f=par()))
case(
    "a sub-process in a sub-process",
    "s -> p -> b -> e",
    "a | [b] | b | completed",
    p=sub("s1 -> q -> e1", q=sub("s2 -> a -> e2")),
)
case(
    "a sub-process is interrupted",
    "s -> p -> e; t -> b",
    "[a] | @t | [b] | b | completed",
    p=sub("s1 -> q -> e1", q=sub("s2 -> a -> e2")),
    t=boundary("p", timer("PT1H")),
)
case(
    "beside a sub-process",
    "s -> p -> e; t -> b",
    "@t | [a b] | a | b | completed",
    p=sub("s1 -> a -> e1"),
    t=boundary("p", timer("PT1H"), interrupting=False),
)
case(
    "an error goes outward",
    "s -> p -> e; x -> b",
    "!a E1 | [b] | b | completed",
    p=sub("s1 -> q -> e1", q=sub("s2 -> a -> e2")),
    x=boundary("p", error("E1")),
)
case(
    "an error end event",
    "s -> p -> e; x -> b",
    "a | [b] | (n = 7) | b | completed",
    p=sub("s1 -> f; f -> a -> z; f -> c -> e1", f=par(), z=end(b.EventDefinition(b.Trigger.ERROR, "E1", expression="{n: 7}"))),
    x=boundary("p", error("E1")),
)
case(
    "an inner catch comes first",
    "s -> p -> e; x -> b",
    "!a E1 | [c] | c | completed",
    p=sub("s1 -> q -> e1; y -> c", q=sub("s2 -> a -> e2"), y=boundary("q", error())),
    x=boundary("p", error("E1")),
)
case(
    "an escalation end event beside",
    "s -> p -> e; x -> b",
    "a | [b c] | c | [b] | b | completed",
    p=sub("s1 -> f; f -> a -> z; f -> c -> e1", f=par(), z=end(escalation("X"))),
    x=boundary("p", escalation("X"), interrupting=False),
)
case(
    "an escalation throw interrupts",
    "s -> p -> e; x -> b",
    "a | [b] | b | completed",
    p=sub("s1 -> a -> z -> c -> e1", z=throw(escalation("X"))),
    x=boundary("p", escalation()),
)


# --- transactions and compensation ----------------------------------------------------------------------------------------------

_BOOKED = {"ca": compensated_by("a", "ua"), "cb": compensated_by("b", "ub"), "ua": user(), "ub": user()}
case(
    "compensation, the last first",
    "s -> a -> b -> t -> e",
    "a | b | [ub] | ub | [ua] | ua | completed",
    t=throw(compensation()),
    **_BOOKED,
)
case(
    "compensation of one activity",
    "s -> a -> b -> t -> e",
    "a | b | [ua] | ua | completed",
    t=throw(compensation("a")),
    **_BOOKED,
)
case("compensation at the end", "s -> a -> b -> t", "a | b | ub | ua | completed", t=end(compensation()), **_BOOKED)
case(
    "compensation of what ended alone",
    "s -> f; f -> a -> t; f -> b -> e",
    "a | [b ua] | ua | [b] | b | completed",
    f=par(),
    t=end(compensation()),
    **_BOOKED,
)
case("nothing to compensate", "s -> t -> a -> b -> e", "[a]", t=throw(compensation()), **_BOOKED)
case(
    "nothing is compensated twice",
    "s -> a -> t -> u -> b -> e",
    "a | ua | [b]",
    t=throw(compensation()),
    u=throw(compensation()),
    **_BOOKED,
)
case(
    "compensation by a script",
    "s -> a -> t -> e",
    "a | completed | (undone = true)",
    t=throw(compensation()),
    ca=compensated_by("a", "ua"),
    ua=script("true", "undone"),
)
case(
    "compensation that breaks",
    "s -> a -> t -> e",
    "a | ?ua | incident work | skip | completed",
    t=throw(compensation()),
    ca=compensated_by("a", "ua"),
    ua=user(),
)
case(
    "compensation inside of a sub-process that ended",
    "s -> p -> t -> e",
    "a {x: 1} | b | [ub] | ub | [ua] | ua | completed | (x = 5)",
    {"x": "5"},
    p=sub("s1 -> a -> b -> e1", data={"x": "0"}, **_BOOKED),
    t=throw(compensation()),
)
case(
    "a sub-process's own handler",
    "s -> p -> t -> e",
    "a | b | [up] | up | completed",
    p=sub("s1 -> a -> b -> e1", **_BOOKED),
    cp=compensated_by("p", "up"),
    up=user(),
    t=throw(compensation()),
)
case(
    "a compensating event sub-process",
    "s -> p -> t -> e",
    "a | [h] | h | completed",
    p=sub("s1 -> a -> e1", v=event_sub("s2 -> h -> e2", compensation())),
    t=throw(compensation()),
)
case(
    "compensation thrown by an error's handler",
    "s -> a -> b -> e",
    "a | !b E1 | [ua] | ua | completed",
    ca=compensated_by("a", "ua"),
    ua=user(),
    v=event_sub("s1 -> t -> e1", error(), t=throw(compensation())),
)
case(
    "compensation of each instance",
    "s -> a -> t -> e",
    "a | a | [ua] | ua | [ua] | ua | completed",
    a=user(loop=times(2)),
    ca=compensated_by("a", "ua"),
    ua=user(),
    t=throw(compensation()),
)
_TRIP = "s -> p -> c -> e; x -> d -> e2"
case(
    "a transaction that ends well",
    _TRIP,
    "a | b | [y] | y {ok: true} | [c]",
    x=boundary("p", cancel),
    p=sub("s1 -> a -> b -> y -> g; g -[ok]-> e1; g -else-> z", transaction=True, g=xor(), z=end(cancel), **_BOOKED),
)
case(
    "a transaction is cancelled",
    _TRIP,
    "a | b | y {ok: false} | [ub] | ub | [ua] | ua | [d] | d | completed",
    x=boundary("p", cancel),
    p=sub("s1 -> a -> b -> y -> g; g -[ok]-> e1; g -else-> z", transaction=True, g=xor(), z=end(cancel), **_BOOKED),
)
case(
    "a transaction is cancelled at once",
    _TRIP,
    "[a b] | a | [b] | b | [d]",
    x=boundary("p", cancel),
    p=sub("s1 -> f; f -> a -> e1; f -> b -> z", transaction=True, f=par(), z=end(cancel)),
)
case(
    "a transaction is cancelled with work under way",
    _TRIP,
    "b | [d]",
    x=boundary("p", cancel),
    p=sub("s1 -> f; f -> a -> e1; f -> b -> z", transaction=True, f=par(), z=end(cancel)),
)
case(
    "a transaction with a hazard is not compensated",
    "s -> p -> e; x -> d",
    "a | !b E1 | [d]",
    x=boundary("p", error()),
    p=sub("s1 -> a -> b -> e1", transaction=True, **_BOOKED),
)
case("a cancellation nobody catches", "s -> p -> e", "a | incident error", p=sub("s1 -> a -> z", transaction=True, z=end(cancel)))


# --- loops ----------------------------------------------------------------------------------------------------------------------

case("a loop, asked after", "s -> a -> e", "a {n: 1} | [a] | a {n: 2} | completed", a=user(loop=loop("n < 2")))
case(
    "a loop, asked before",
    "s -> a -> e",
    "start {n: 0} | a {n: 1} | a {n: 2} | completed",
    a=user(loop=loop("n < 2", before=True)),
)
case("a loop that never begins", "s -> a -> e", "start {n: 9} | completed", a=user(loop=loop("n < 2", before=True)))
case("a loop with an upper bound", "s -> a -> e", "a | a | a | completed", a=user(loop=loop("true", maximum=3)))
case("a loop counts", "s -> a -> e", "completed | (n = 6)", {"n": "0"}, a=script("n + loopCounter", "n", loop=loop(maximum=3)))
case("a loop's condition fails", "s -> a -> e", "a | incident expression | retry {n: 5} | completed", a=user(loop=loop("n < 2")))
case(
    "a loop is interrupted",
    "s -> a -> e; t -> b",
    "a {n: 0} | @t | [b]",
    a=user(loop=loop("n < 2")),
    t=boundary("a", timer("PT1H")),
)
case("a loop of a sub-process", "s -> p -> e", "a {n: 1} | a {n: 2} | completed", p=sub("s1 -> a -> e1", loop=loop("n < 2")))
case("instances at once", "s -> a -> e", "[a a a] | a | a | [a] | a | completed", a=user(loop=times(3)))
case("instances in turn", "s -> a -> e", "[a] | a | [a] | a | completed", a=user(loop=times(2, sequential=True)))
case("no instances", "s -> a -> e", "completed", a=user(loop=times(0)))
case("as many as a variable says", "s -> a -> e", "start {n: 2} | [a a]", a=user(loop=times("n")))
case("not so many", "s -> a -> e", "start {n: 1.5} | incident expression | skip | completed", a=user(loop=times("n")))
case(
    "for each",
    "s -> a -> e",
    "start {l: [1, 2, 3]} | completed | (r = [2, 4, 6])",
    a=script("x * 2", "y", loop=each("l", "x", output="r", output_item="y")),
)
case(
    "for each in turn",
    "s -> a -> e",
    "start {l: [1, 2, 3]} | completed | (r = [2, 4, 6])",
    a=script("x * 2", "y", loop=each("l", "x", sequential=True, output="r", output_item="y")),
)
case(
    "for each of none",
    "s -> a -> e",
    "start {l: []} | completed | (r = [])",
    a=user(loop=each("l", "x", output="r", output_item="x")),
)
case("for each of no list", "s -> a -> e", "start {l: 1} | incident expression", a=user(loop=each("l", "x")))
case(
    "for each, results stay apart",
    "s -> a -> e",
    "start {l: [1, 2]} | a {ok: true} | a {ok: false} | completed | (r = [true, false])",
    a=user(loop=each("l", "x", output="r", output_item="ok")),
)
case(
    "enough of them",
    "s -> a -> e",
    "[a a a] | a | [a a] | a | completed",
    a=user(loop=times(3, completion="numberOfCompletedInstances >= 2")),
)
case(
    "a veto ends it",
    "s -> a -> b -> e",
    "a {ok: true} | a {ok: false} | [b] | (r = [true, false, null])",
    a=user(loop=times(3, completion="not(ok)", output="r", output_item="ok")),
)
case(
    "for each a sub-process",
    "s -> p -> e",
    "start {l: [1, 2]} | [a a] | a {y: 5} | a {y: 6} | completed | (r = [6, 8])",
    p=sub(
        "s1 -> a -> c -> e1",
        c=script("x + y", "z"),
        data={"y": None, "z": None},
        loop=each("l", "x", output="r", output_item="z"),
    ),
)
case(
    "an error in one instance",
    "s -> p -> e; x -> b",
    "!a E1 | [b] | b | completed",
    p=sub("s1 -> a -> e1", loop=times(3)),
    x=boundary("p", error()),
)
case("an instance breaks", "s -> a -> e", "?a | [a] | a | skip | completed", a=user(loop=times(2)))
case(
    "an instance's output fails",
    "s -> a -> e",
    "a | incident expression | retry {k: 2} | completed | (r = [2])",
    a=user(loop=times(1, output="r", output_item="k")),
)
case(
    "an instance's output is skipped",
    "s -> a -> e",
    "a | skip {k: 2} | completed | (r = [2])",
    a=user(loop=times(1, output="r", output_item="k")),
)
case("a timer on all instances", "s -> a -> e; t -> b", "a | @t | [b]", a=user(loop=times(3)), t=boundary("a", timer("PT1H")))
case(
    "instances inside of instances",
    "s -> p -> e",
    "[a a a a] | a | a | a | a | completed",
    p=sub("s1 -> a -> e1", a=user(loop=times(2)), loop=times(2)),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_process_runs_as_it_is_drawn_whether_or_not_it_is_saved_between(scenario: Scenario) -> None:
    straight, saved = play_twice(scenario)
    assert straight.saved == saved.saved
    assert straight.history == saved.history
