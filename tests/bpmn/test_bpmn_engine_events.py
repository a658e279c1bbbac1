"""Events, boundary events and event sub-processes, in small processes.

Each is played straight, and with the state saved and loaded after every step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bpmn import bpmn_text as b
from tests.bpmn.bpmn_play import Scenario, play_twice
from tests.bpmn.bpmn_text import (
    boundary,
    catch,
    condition,
    end,
    error,
    escalation,
    event_sub,
    link,
    message,
    par,
    receive,
    signal,
    start,
    sub,
    terminate,
    throw,
    timer,
)

SCENARIOS: list[Scenario] = []


def case(name: str, flows: str, play: str, data: dict[str, str | None] | None = None, **nodes: Any) -> None:
    SCENARIOS.append(Scenario(name, flows, play, nodes, data))


# --- events ---------------------------------------------------------------------------------------------------------------------

case("a start by message", "s1 -> a -> e; s2 -> b -> e2", "start:paid {x: 1} | [b] | (x = 1)", s2=start(message("paid")))
case("the plain start", "s1 -> a -> e; s2 -> b -> e2", "start | [a]", s2=start(message("paid")))
case("the only start, a timer", "s -> a -> e", "start | [a]", s=start(timer("R/P1D")))
case("a start by its id", "s1 -> a -> e; s2 -> b -> e2", "start:s2 | [b]", s2=start(timer("R/P1D")))
case("terminate", "s -> f; f -> a -> t; f -> b -> e", "a | terminated", f=par(), t=end(terminate))
case(
    "terminate in a sub-process",
    "s -> p -> c -> e",
    "a | [c] | c | completed",
    p=sub("s1 -> f; f -> a -> t; f -> b -> e1", f=par(), t=end(terminate)),
)
case("a message is caught", "s -> m -> a -> e", "<paid {x: 1} | [a] | (x = 1)", m=catch(message("paid")))
case(
    "what an event carries goes to its variable, and to no other",
    "s -> m -> a -> e",
    "start {x: 1} | <paid {x: 2} | [a] | (x = 1 and paid.x = 2)",
    m=catch(message("paid"), result="paid"),
)
case(
    "a boundary event keeps what it carries apart",
    "s -> a -> e; late -> c -> e2",
    "start {x: 1} | !a E1 {x: 2} | [c] | (x = 1 and why.x = 2)",
    late=boundary("a", error(), result="why"),
)
case(
    "an event sub-process keeps what it carries apart",
    "s -> a -> e",
    "start {x: 1} | <stop {x: 2} | [b] | (x = 1) | b | completed",
    p=sub("s1 -> b -> e1", event=True, s1=start(message("stop"), result="why"), data={"why": None}),
)
case(
    "a receive task has a result",
    "s -> m -> e",
    "<paid {x: 2} | (paid.x = 2) | completed",
    m=receive(message("paid"), result="paid"),
)
case("a message is caught by key", "s -> m -> a -> e", "start {n: 42} | key paid 42 | <paid | [a]", m=catch(message("paid", "n")))
case(
    "a key that fails",
    "s -> m -> a -> e",
    "incident expression | retry {n: 1} | key paid 1 | <paid | [a]",
    m=catch(message("paid", "n")),
)
case("a message is thrown", "s -> m -> e", "sent paid | completed", m=throw(message("paid", "1", "{x: 2}")))
case("a message at the end", "s -> m", "sent paid | completed", m=end(message("paid")))
case("a payload that fails", "s -> m -> e", "incident expression | skip | completed", m=throw(message("paid", None, "y + 1")))
case("a signal is caught", "s -> m -> a -> e", "~go {x: 1} | [a] | (x = 1)", m=catch(signal("go")))
case(
    "a signal to all that wait",
    "s -> f; f -> m -> a; f -> n -> c; f -> o -> d",
    "~go | [a c]",
    f=par(),
    m=catch(signal("go")),
    n=catch(signal("go")),
    o=catch(signal("no")),
)
case(
    "a signal is thrown within",
    "s -> f; f -> m -> a -> e; f -> x -> t -> e2",
    "[x] | x | sent go | [a] | (n = 1)",
    f=par(),
    m=catch(signal("go")),
    t=throw(signal("go", "{n: 1}")),
)
case("a date", "s -> t -> a -> e", "due t 2026-02-01T08:00:00+01:00 | @t | [a]", t=catch(timer("2026-02-01T08:00:00+01:00")))
case(
    "a date in FEEL",
    "s -> t -> a -> e",
    'start {d: date("2026-02-01")} | due t 2026-02-03T00:00:00Z | @t | [a]',
    t=catch(timer('d + duration("P2D")', b.TimerKind.DATE)),
)
case("a duration", "s -> t -> a -> e", "due t 2026-01-01T00:10:00Z | @t | [a]", t=catch(timer("PT10M")))
case("a duration of months", "s -> t -> a -> e", "due t 2027-02-01T00:00:00Z", t=catch(timer("P1Y1M")))
case(
    "a duration in FEEL",
    "s -> t -> a -> e",
    "start {n: 3} | due t 2026-01-04T00:00:00Z",
    t=catch(timer('duration("P1D") * n', b.TimerKind.DURATION)),
)
case(
    "a time that is none", "s -> t -> a -> e", "incident expression | skip | [a]", t=catch(timer('"soon"', b.TimerKind.DURATION))
)
case("a link", "s -> l1; l2 -> a -> e", "[a] | a | completed", l1=throw(link("L")), l2=catch(link("L")))
case("a condition is waited for", "s -> c -> a -> e", "[] | = {x: 1} | [] | = {x: 2} | [a]", c=catch(condition("x > 1")))
case("a condition that holds already", "s -> c -> a -> e", "start {x: 2} | [a]", c=catch(condition("x > 1")))
case(
    "a condition by another's result",
    "s -> f; f -> a -> e; f -> c -> d -> e2",
    "a {x: 2} | [d]",
    f=par(),
    c=catch(condition("x > 1")),
)
case("any of several definitions", "s -> c -> a -> e", "<paid | [a]", c=catch(message("paid"), timer("PT1H")))
case(
    "all of several definitions",
    "s -> c -> a -> e",
    "<paid | [] | @c | [a]",
    c=catch(message("paid"), timer("PT1H"), parallel=True),
)
case("several definitions are thrown", "s -> t -> e", "sent a b | completed", t=throw(message("a"), signal("b")))
case("an uncaught error ends the instance", "s -> f; f -> a -> e; f -> b -> x", "b | failed", f=par(), x=end(error("E1")))
case("an uncaught escalation is nothing", "s -> x -> a -> e", "[a] | a | completed", x=throw(escalation("E1")))


# --- boundary events ------------------------------------------------------------------------------------------------------------

_LATE = "s -> a -> e; late -> b -> e2"
case("a timer interrupts", _LATE, "@late | [b] | b | completed", late=boundary("a", timer("PT1H")))
case("a timer comes too late", _LATE, "a | completed", late=boundary("a", timer("PT1H")))
case("a timer beside", _LATE, "@late | [a b] | a | b | completed", late=boundary("a", timer("PT1H"), interrupting=False))
case(
    "a cycle beside",
    _LATE,
    "due late 2026-01-01T00:10:00Z | @late | due late 2026-01-01T00:20:00Z | @late | @late | [a b b b] | a | b | b | b",
    late=boundary("a", timer("R3/PT10M"), interrupting=False),
)
case(
    "a cycle without end",
    _LATE,
    "@late | @late | @late | @late | [a b b b b] | a | b | b | b | b | completed",
    late=boundary("a", timer("R/PT10M"), interrupting=False),
)
case(
    "a cycle from a date",
    _LATE,
    "due late 2026-03-01T00:00:00Z | @late | due late 2026-03-02T00:00:00Z",
    late=boundary("a", timer("R2/2026-03-01T00:00:00Z/P1D"), interrupting=False),
)
case(
    "a cycle that never ends at once",
    _LATE,
    "incident expression | skip | completed",
    late=boundary("a", timer("R3/PT0S"), interrupting=False),
)
case("a message interrupts", _LATE, "<stop {x: 1} | [b] | (x = 1)", late=boundary("a", message("stop")))
case(
    "a message beside, again and again", _LATE, "<note | <note | [a b b]", late=boundary("a", message("note"), interrupting=False)
)
case("a signal interrupts", _LATE, "~stop | [b]", late=boundary("a", signal("stop")))
case(
    "a signal beside, again and again",
    _LATE,
    "~note | ~note | [a b b] | a | b | b | completed",
    late=boundary("a", signal("note"), interrupting=False),
)
case("a condition interrupts", _LATE, "= {x: 5} | [b]", late=boundary("a", condition("x > 1")))
case(
    "a condition beside, at each rise",
    _LATE,
    "= {x: 5} | [a b] | = {x: 6} | [a b] | = {x: 0} | = {x: 5} | [a b b]",
    late=boundary("a", condition("x > 1"), interrupting=False),
)
case(
    "an error by its code",
    "s -> a -> e; x -> b; y -> c",
    "!a E2 {n: 1} | [c] | (n = 1)",
    x=boundary("a", error("E1")),
    y=boundary("a", error("E2")),
)
case(
    "an error by what catches all",
    "s -> a -> e; x -> b; y -> c",
    "!a E3 | [b]",
    x=boundary("a", error()),
    y=boundary("a", error("E2")),
)
case(
    "a code before what catches all",
    "s -> a -> e; x -> b; y -> c",
    "!a E2 | [c]",
    x=boundary("a", error()),
    y=boundary("a", error("E2")),
)
case(
    "an error nobody catches",
    "s -> a -> e; x -> b",
    "!a E2 | incident error | [] | retry | [a] | a | completed",
    x=boundary("a", error("E1")),
)
case("work breaks, retry", "s -> a -> e", "?a | incident work | [] | retry | [a] | a | completed")
case("work breaks, skip", "s -> a -> e", "?a | skip {x: 1} | completed | (x = 1)")
case("work breaks, cancel", "s -> a -> e", "?a | cancel | cancelled")
case("work is broken when its timer fires", _LATE, "?a | @late | [b] | incident", late=boundary("a", timer("PT1H")))
case("an escalation interrupts", _LATE, "^a X {n: 1} | [b] | (n = 1)", late=boundary("a", escalation("X")))
case("an escalation beside", _LATE, "^a X | [a b] | ^a X | [a b b]", late=boundary("a", escalation("X"), interrupting=False))
case("an escalation nobody catches", _LATE, "^a Y | [a] | a | completed", late=boundary("a", escalation("X")))
case(
    "several on one activity",
    "s -> a -> e; t -> b; m -> c; x -> d",
    "@t | <note | [a b c] | !a E1 | [b c d] | b | c | d | completed",
    t=boundary("a", timer("PT1H"), interrupting=False),
    m=boundary("a", message("note"), interrupting=False),
    x=boundary("a", error()),
)
case(
    "a boundary on a receive task",
    "s -> a -> e; t -> b",
    "@t | [b] | b | completed",
    a=receive(message("paid")),
    t=boundary("a", timer("PT1H")),
)
case(
    "a receive task before its boundary",
    "s -> a -> e; t -> b",
    "<paid | completed",
    a=receive(message("paid")),
    t=boundary("a", timer("PT1H")),
)
case(
    "a boundary time that fails",
    _LATE,
    'incident expression | retry {d: duration("P1D")} | [a] | due late 2026-01-02T00:00:00Z',
    late=boundary("a", timer("d", b.TimerKind.DURATION)),
)


# --- event sub-processes --------------------------------------------------------------------------------------------------------

case(
    "a message interrupts all",
    "s -> a -> e",
    "<stop {x: 1} | [h] | (x = 1) | h | completed",
    v=event_sub("s1 -> h -> e1", message("stop")),
)
case(
    "a message beside all",
    "s -> a -> e",
    "<note | <note | [a h h] | a | [h h] | h | h | completed",
    v=event_sub("s1 -> h -> e1", message("note"), interrupting=False),
)
case("an event sub-process nobody needs", "s -> a -> e", "a | completed", v=event_sub("s1 -> h -> e1", message("stop")))
case("a signal interrupts all", "s -> a -> e", "~stop | [h] | h | completed", v=event_sub("s1 -> h -> e1", signal("stop")))
case(
    "a timer interrupts all",
    "s -> a -> e",
    "due s1 2026-01-01T01:00:00Z | @s1 | [h] | h | completed",
    v=event_sub("s1 -> h -> e1", timer("PT1H")),
)
case(
    "a cycle beside all",
    "s -> a -> e",
    "@s1 | @s1 | [a h h] | a | h | h | completed",
    v=event_sub("s1 -> h -> e1", timer("R2/PT1H"), interrupting=False),
)
case("a condition interrupts all", "s -> a -> e", "= {x: 2} | [h]", v=event_sub("s1 -> h -> e1", condition("x > 1")))
case(
    "a condition beside all",
    "s -> a -> b -> e",
    "a {x: 2} | [b h] | = {x: 0} | = {x: 3} | [b h h]",
    v=event_sub("s1 -> h -> e1", condition("x > 1"), interrupting=False),
)
case("an error of a task", "s -> a -> e", "!a E1 | [h] | h | completed", v=event_sub("s1 -> h -> e1", error("E1")))
case(
    "an error end event is caught within",
    "s -> f; f -> a -> x; f -> b -> e",
    "a | [h] | h | completed",
    f=par(),
    x=end(error("E1")),
    v=event_sub("s1 -> h -> e1", error()),
)
case(
    "an escalation beside all",
    "s -> x -> a -> e",
    "[a h] | a | h | completed",
    x=throw(escalation("X")),
    v=event_sub("s1 -> h -> e1", escalation("X"), interrupting=False),
)
case(
    "an escalation interrupts all",
    "s -> x -> a -> e",
    "[h] | h | completed",
    x=throw(escalation("X")),
    v=event_sub("s1 -> h -> e1", escalation("X")),
)
case(
    "an event sub-process in a sub-process",
    "s -> p -> b -> e",
    "<stop | [h] | h | [b] | b | completed",
    p=sub("s1 -> a -> e1", v=event_sub("s2 -> h -> e2", message("stop"))),
)
case(
    "an error in an event sub-process goes on outward",
    "s -> p -> e; x -> b",
    "!a E1 | [h] | h | [b]",
    p=sub("s1 -> a -> e1", v=event_sub("s2 -> h -> z", error("E1"), z=end(error("E1")))),
    x=boundary("p", error("E1")),
)
case(
    "a sub-process ends after its event sub-processes",
    "s -> p -> b -> e",
    "<note | a | [h] | h | [b]",
    p=sub("s1 -> a -> e1", v=event_sub("s2 -> h -> e2", message("note"), interrupting=False)),
)
case(
    "an interrupting one beside a running one",
    "s -> a -> e",
    "<note | [a h] | <stop | [k] | k | completed",
    v=event_sub("s1 -> h -> e1", message("note"), interrupting=False),
    w=event_sub("s2 -> k -> e2", message("stop")),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_process_runs_as_it_is_drawn_whether_or_not_it_is_saved_between(scenario: Scenario) -> None:
    straight, saved = play_twice(scenario)
    assert straight.saved == saved.saved
    assert straight.history == saved.history
