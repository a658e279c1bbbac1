"""Tasks, data, gateways and what becomes of the instance, in small processes.

Each is played straight, and with the state saved and loaded after every step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bpmn.bpmn_play import Scenario, play_twice
from tests.bpmn.bpmn_text import (
    boundary,
    call,
    catch,
    condition,
    error,
    event_based,
    inc,
    link,
    manual,
    message,
    par,
    receive,
    rule,
    script,
    send,
    service,
    signal,
    sub,
    task,
    throw,
    timer,
    user,
    xor,
)

SCENARIOS: list[Scenario] = []


def case(name: str, flows: str, play: str, data: dict[str, str | None] | None = None, **nodes: Any) -> None:
    SCENARIOS.append(Scenario(name, flows, play, nodes, data))


# --- sequence, tasks ------------------------------------------------------------------------------------------------------------

case("nothing but a start and an end", "s -> e", "start | completed")
case("tasks one after the other", "s -> a -> b -> e", "[a] | a | [b] | b | completed")
case("an end is where flows stop", "s -> a", "a | completed")
case("without a start event, at what nothing leads to", "a -> c; b -> c", "[a b] | a | [b c] | b | c | c | completed")
case("a task of no kind is passed", "s -> a -> b -> e", "passed a | [b] | b | completed", a=task())
case("a manual task is work", "s -> a -> e", "[a] | a | completed", a=manual())
case("results become variables", "s -> a -> b -> e", "a {x: 1, y: [2]} | (x = 1 and y = [2])")
case("a service task", "s -> a -> e", "[a] | a {n: 5} | (n = 5) | completed", a=service("jobs.run"))
case("a rule task", "s -> a -> e", 'a {result: "high"} | (tier = "high") | completed', a=rule("Tier", "tier"))
case("a rule task without a variable", "s -> a -> e", 'a {tier: "low"} | (tier = "low")', a=rule("Tier"))
case("a rule task whose result is a context", "s -> a -> e", "a {x: 1, y: 2} | (t.x = 1 and t.y = 2)", a=rule("Tier", "t"))
case("a script", "s -> a -> e", "start {x: 2} | completed | (y = 4)", a=script("x * x", "y"))
case("a script that gives a context", "s -> a -> e", "completed | (p = 1 and q = 2)", a=script("{p: 1, q: p + 1}"))
case("a script in another's data", "s -> a -> c -> e", "completed | (z = 3)", a=script("1", "y"), c=script("y + 2", "z"))
case("a script that fails", "s -> a -> e", "incident expression | = {x: 1} | retry | completed | (y = 2)", a=script("x + 1", "y"))
case("a script that is skipped", "s -> a -> e", "incident expression | skip {y: 7} | completed | (y = 7)", a=script("x + 1", "y"))
case("a script that is no FEEL", "s -> a -> e", "incident expression | skip | completed", a=script("1 +", "y"))
case("a send task with a message goes on", "s -> a -> e", "sent order | completed", a=send(message("order", "1 + 1", "{n: 1}")))
case("a send task without one is work", "s -> a -> e", "[a] | a | completed", a=user())
case("a receive task", "s -> a -> e", "[] | <paid {n: 3} | (n = 3) | completed", a=receive(message("paid")))
case(
    "a receive task by key",
    "s -> a -> e",
    'start {order: {id: "o7"}} | key paid o7 | <paid | completed',
    a=receive(message("paid", "order.id")),
)
case(
    "a receive task with outputs",
    "s -> a -> e",
    "<paid {n: 3} | (sum = 6) | completed",
    a=receive(message("paid"), outputs={"sum": "n * 2"}),
)
case("a call activity is work", "s -> a -> e", "[a] | a {ok: true} | (ok) | completed", a=call("other"))
case(
    "a call activity fails",
    "s -> a -> e; f -> b -> e2",
    "!a E1 | [b] | b | completed",
    a=call("other"),
    f=boundary("a", error("E1")),
)
case("several flows out of a task", "s -> a; a -> b -> e; a -> c -> e2", "a | [b c] | b | c | completed")
case("conditions on flows out of a task", "s -> a; a -[x > 1]-> b; a -[x > 2]-> c; a -else-> d", "a {x: 3} | [b c]")
case("the default flow out of a task", "s -> a; a -[x > 1]-> b; a -[x > 2]-> c; a -else-> d", "a {x: 1} | [d]")
case("an unconditional flow beside a conditional one", "s -> a; a -> b; a -[x > 2]-> c", "a {x: 1} | [b]")
case("a flow's condition fails", "s -> a; a -[x > 1]-> b", "a | incident expression | retry {x: 2} | [b]")


# --- data -----------------------------------------------------------------------------------------------------------------------

case("inputs are the task's own", "s -> a -> e", "start {x: 2} | a | completed | (x = 2)", a=user(inputs={"x": "x + 5"}))
case("outputs say what is kept", "s -> a -> e", "a {n: 2, m: 9} | (sum = 3)", a=user(inputs={"k": "1"}, outputs={"sum": "n + k"}))
case("an input that fails", "s -> a -> e", "incident expression | retry {y: 1} | [a]", a=user(inputs={"x": "y + 5"}))
case(
    "an output that fails",
    "s -> a -> e",
    "a {n: 2} | incident expression | retry {k: 1} | (m = 3) | completed",
    a=user(outputs={"m": "n + k"}),
)
case(
    "an output that is skipped",
    "s -> a -> e",
    "a | incident expression | skip {m: 1} | (m = 1) | completed",
    a=user(outputs={"m": "n"}),
)
case("data objects begin with their values", "s -> a -> e", "(n = 3 and m = 4 and k = null)", {"n": "3", "m": "n + 1", "k": None})
case("data of the start come instead", "s -> a -> e", "start {n: 5} | (n = 5 and m = 6)", {"n": "3", "m": "n + 1"})
case(
    "a scope's variables stay in it",
    "s -> p -> e",
    "start {x: 1} | a {x: 2, y: 3} | completed | (x = 1 and y = 3)",
    p=sub("s1 -> a -> e1", data={"x": "0"}),
)
case(
    "writing goes to the scope that declares",
    "s -> p -> e",
    "a {x: 2} | (x = 2) | completed",
    {"x": "1"},
    p=sub("s1 -> q -> e1", q=sub("s2 -> a -> e2", data={"y": "5"})),
)
case(
    "a sub-process has inputs and outputs",
    "s -> p -> e",
    "start {x: 1} | a {k: 5} | completed | (r = 11)",
    p=sub("s1 -> a -> e1", inputs={"k": "x"}, outputs={"r": "k * 2 + x"}),
)
case(
    "dates and durations are kept",
    "s -> a -> c -> e",
    'completed | (d = date("2026-03-01") and n = 1.50)',
    {"n": "1.50"},
    a=script('date("2026-01-30")', "d0"),
    c=script('date("2026-03-01")', "d"),
)
case("now is the event's time", "s -> a -> e", 'completed | (t = date and time("2026-01-01T00:00:00Z"))', a=script("now()", "t"))
case("names with spaces", "s -> x; x -[gross amount > 5]-> a; x -else-> b", 'start {"gross amount": 9} | [a]', x=xor())


# --- gateways -------------------------------------------------------------------------------------------------------------------

_XOR = "s -> x; x -[n > 10]-> a -> y; x -[n > 5]-> b -> y; x -else-> c -> y; y -> e"
case("exclusive: the first that holds", _XOR, "start {n: 11} | [a] | a | completed", x=xor(), y=xor())
case("exclusive: the second", _XOR, "start {n: 7} | [b] | b | completed", x=xor(), y=xor())
case("exclusive: the default", _XOR, "start {n: 1} | [c] | c | completed", x=xor(), y=xor())
case("exclusive: a condition fails", _XOR, "incident expression | retry {n: 7} | [b]", x=xor(), y=xor())
case("exclusive: a condition fails, skipped", _XOR, "incident expression | skip | [c]", x=xor(), y=xor())
case("exclusive: no boolean", "s -> x; x -[n]-> a; x -else-> c", "start {n: 1} | incident expression", x=xor())
case(
    "exclusive: no flow",
    "s -> x; x -[n > 1]-> a; x -[n > 2]-> b",
    "start {n: 1} | incident no flow | = {n: 2} | retry | [a]",
    x=xor(),
)
case(
    "exclusive: no flow, skipped",
    "s -> x; x -[n > 1]-> a; x -[n > 2]-> b",
    "start {n: 1} | incident no flow | skip | [a]",
    x=xor(),
)
case(
    "exclusive: merges without waiting",
    "s -> f; f -> a -> x; f -> b -> x; x -> c -> e",
    "a | [b c] | b | [c c]",
    f=par(),
    x=xor(),
)
case(
    "a loop of flows",
    "s -> x -> a -> y; y -[n < 3]-> x; y -else-> e",
    "a {n: 1} | [a] | a {n: 2} | [a] | a {n: 3} | completed",
    x=xor(),
    y=xor(),
)
case("parallel", "s -> f; f -> a -> j; f -> b -> j; j -> c -> e", "[a b] | a | [b] | b | [c] | c | completed", f=par(), j=par())
case("parallel: at once", "s -> f; f -> a -> j; f -> b -> j; j -> e", "completed", f=par(), j=par(), a=task(), b=task())
case("parallel: join and fork in one", "s -> f; f -> a -> j; f -> b -> j; j -> c; j -> d", "a | b | [c d]", f=par(), j=par())
case(
    "parallel: twice by one flow waits",
    "s -> f; f -> a -> x; f -> b -> x; x -> j; f -> c -> j; j -> d -> e",
    "a | b | [c] | c | [d] | d | incident no flow",
    f=par(),
    x=xor(),
    j=par(),
)
case(
    "parallel: nobody can come",
    "s -> x; x -[true]-> a -> j; x -else-> b -> j; j -> c -> e",
    "a | incident no flow | retry | incident no flow | skip | [c] | c | completed",
    x=xor(),
    j=par(),
)
case("parallel: two flows between the same", "s -> f; f -> j; f -> j; j -> a -> e", "[a] | a | completed", f=par(), j=par())
_INC = "s -> i; i -[n > 1]-> a -> j; i -[n > 2]-> b -> j; i -else-> c -> j; j -> d -> e"
case("inclusive: all that hold", _INC, "start {n: 3} | [a b] | a | [b] | b | [d] | d | completed", i=inc(), j=inc())
case("inclusive: one", _INC, "start {n: 2} | [a] | a | [d]", i=inc(), j=inc())
case("inclusive: the default", _INC, "start {n: 1} | [c] | c | [d]", i=inc(), j=inc())
case("inclusive: no flow", "s -> i; i -[n > 1]-> a; i -[n > 2]-> b", "start {n: 0} | incident no flow", i=inc())
case(
    "inclusive: waits for who can still come",
    "s -> f; f -> a -> x; x -[go]-> j; x -else-> e2; f -> b -> j; j -> c -> e",
    "b | [a] | a {go: false} | [c] | c | completed",
    f=par(),
    x=xor(),
    j=inc(),
)
case(
    "inclusive: who comes after all",
    "s -> f; f -> a -> x; x -[go]-> j; x -else-> e2; f -> b -> j; j -> c -> e",
    "b | a {go: true} | [c] | c | completed",
    f=par(),
    x=xor(),
    j=inc(),
)
case(
    "inclusive: by a boundary event",
    "s -> f; f -> a -> e2; f -> b -> j; late -> j; j -> c -> e",
    "b | [a] | @late | [c] | c | completed",
    f=par(),
    j=inc(),
    late=boundary("a", timer("PT1H")),
)
case(
    "inclusive: not by the boundary event",
    "s -> f; f -> a -> e2; f -> b -> j; late -> j; j -> c -> e",
    "b | [a] | a | [c] | c | completed",
    f=par(),
    j=inc(),
    late=boundary("a", timer("PT1H")),
)
case(
    "inclusive: in a loop",
    "s -> x -> i; i -[true]-> a -> j; i -[n > 1]-> b -> j; j -> y; y -[n < 3]-> x; y -else-> e",
    "start {n: 2} | [a b] | a | b {n: 1} | [a] | a {n: 3} | completed",
    x=xor(),
    y=xor(),
    i=inc(),
    j=inc(),
)
case(
    "inclusive: as the head of a loop",
    "s -> j -> a -> y; y -[n < 2]-> j; y -else-> e",
    "a {n: 1} | [a] | a {n: 2} | completed",
    j=inc(),
    y=xor(),
)
case(
    "inclusive: by a link",
    "s -> f; f -> a -> l1; l2 -> j; f -> b -> j; j -> c -> e",
    "b | [a] | a | [c] | c | completed",
    f=par(),
    j=inc(),
    l1=throw(link("L")),
    l2=catch(link("L")),
)
case(
    "inclusive: one after the other",
    "s -> f; f -> a -> j; f -> b -> j; j -> k; f -> c -> k; k -> d -> e",
    "a | [b c] | c | [b] | b | [d] | d | completed",
    f=par(),
    j=inc(),
    k=inc(),
)
case(
    "event-based: the message",
    "s -> g; g -> m -> a -> e; g -> t -> b -> e2",
    "<paid {x: 1} | [a] | (x = 1) | a | completed",
    g=event_based(),
    m=catch(message("paid")),
    t=catch(timer("PT1H")),
)
case(
    "event-based: the timer",
    "s -> g; g -> m -> a -> e; g -> t -> b -> e2",
    "due t 2026-01-01T01:00:00Z | @t | [b] | b | completed",
    g=event_based(),
    m=catch(message("paid")),
    t=catch(timer("PT1H")),
)
case(
    "event-based: a receive task",
    "s -> g; g -> m -> a -> e; g -> t -> b",
    "<paid {x: 1} | [a] | (x = 1)",
    g=event_based(),
    m=receive(message("paid")),
    t=catch(timer("PT1H")),
)
case(
    "event-based: a signal",
    "s -> g; g -> m -> a -> e; g -> t -> b",
    "~go {x: 1} | [b] | (x = 1)",
    g=event_based(),
    m=catch(message("paid")),
    t=catch(signal("go")),
)
case(
    "event-based: a condition",
    "s -> g; g -> m -> a -> e; g -> t -> b",
    "= {x: 1} | [] | = {x: 2} | [b]",
    g=event_based(),
    m=catch(message("paid")),
    t=catch(condition("x > 1")),
)
case(
    "event-based: begins the process",
    "g -> m -> a -> e; g -> n -> b -> e2",
    "start:paid {x: 1} | [a] | a | completed",
    g=event_based(instantiate=True),
    m=catch(message("paid")),
    n=catch(message("sent")),
)


# --- the instance ---------------------------------------------------------------------------------------------------------------

case(
    "cancelled from outside",
    "s -> f; f -> a; f -> m -> e; f -> t -> e2",
    "cancel | cancelled",
    f=par(),
    m=catch(message("paid")),
    t=catch(timer("PT1H")),
)
case(
    "two incidents",
    "s -> f; f -> a -> e; f -> b -> e2",
    "?a | ?b | incident work, work | retry | [a] | retry | [a b] | incident",
    f=par(),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_process_runs_as_it_is_drawn_whether_or_not_it_is_saved_between(scenario: Scenario) -> None:
    straight, saved = play_twice(scenario)
    assert straight.saved == saved.saved
    assert straight.history == saved.history
