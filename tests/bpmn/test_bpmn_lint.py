"""What linting finds in processes, and that it finds nothing in good ones."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings

from modelyard.bpmn.checks.expressions import is_time
from modelyard.bpmn.lint import Finding, Severity, lint
from modelyard.bpmn.model import Flow, MultiInstance, Process, Task, TaskKind, TimerKind
from modelyard.bpmn.reading import read
from tests.bpmn import bpmn_text as text
from tests.bpmn.bpmn_text import (
    boundary,
    call,
    catch,
    end,
    event_based,
    event_sub,
    inc,
    link,
    message,
    par,
    process,
    rule,
    script,
    service,
    start,
    sub,
    throw,
    timer,
    user,
    xor,
)


def findings(made: Process) -> list[Finding]:
    return list(lint(text.definitions(made)))


def codes(made: Process, *severities: Severity) -> set[tuple[str, str | None]]:
    """Code and element of what is found; errors and warnings unless it is said which."""
    wanted = severities or (Severity.ERROR, Severity.WARNING)
    return {(found.code, found.element) for found in findings(made) if found.severity in wanted}


def errors(made: Process) -> set[tuple[str, str | None]]:
    return codes(made, Severity.ERROR)


@settings(max_examples=60, deadline=None)
@given(text.blocks())
def test_structured_processes_have_no_errors(block: Any) -> None:
    structural = {"unreachable", "no-way-out", "deadlock", "dangling-flow", "no-start", "dead-end", "endless-loop"}
    found = lint(read(text.xml(text.structured(block))))
    assert not [finding for finding in found if finding.severity is Severity.ERROR or finding.code in structural]


def test_a_good_process_has_no_findings() -> None:
    made = process(
        "good",
        "s -> score -> x; x -[tier > 1]-> review; x -else-> m; review -> m; m -> e; late -> remind -> e2",
        s=start(message("order placed")),
        score=rule("Tier", "tier"),
        x=xor(),
        m=xor(),
        late=boundary("review", timer("P2D"), interrupting=False),
        remind=service("remind"),
    )
    assert findings(made) == []


# --- structure ------------------------------------------------------------------------------------------------------------------


def test_starts() -> None:
    assert ("no-start", "p") in errors(process("p", "a -> e"))
    assert codes(process("p", "s1 -> a -> e; s2 -> a")) == {("several-starts", "s2")}
    inner = process("p", "s -> u -> e", u=sub("s2 -> b -> e2", s2=start(timer("P1D"))))
    assert ("start", "s2") in errors(inner)
    loop = process("p", "s -> u -> e", u=sub("a -> b -> a"))
    assert ("no-start", "u") in errors(loop)


def test_event_sub_processes_have_one_start_that_waits() -> None:
    good = process("p", "s -> a -> e", on=event_sub("s2 -> b -> e2", message("m")))
    assert errors(good) == set()
    assert ("start", "on") in errors(process("p", "s -> a -> e", on=replaced_event_sub()))


def replaced_event_sub() -> Any:
    made = event_sub("s2 -> b -> e2", message("m"))

    def make(id_: str) -> Any:
        node = made(id_)
        plain = {key: replace(value, definitions=()) if key == "s2" else value for key, value in node.body.nodes.items()}
        return replace(node, body=replace(node.body, nodes=plain))

    return make


def test_nodes_that_nothing_comes_to_and_nothing_leaves() -> None:
    assert codes(process("p", "s -> a -> e; b -> c -> e")) == {("unreachable", "b"), ("unreachable", "c")}
    endless = codes(process("p", "s -> x; x -[a]-> e; x -else-> b -> c -> b", x=xor()))
    assert endless == {("no-way-out", "b"), ("no-way-out", "c")}
    left_by_boundary = process("p", "s -> a -> b -> a; out -> e", out=boundary("b", timer("P1D")))
    assert codes(left_by_boundary) == set()


def test_flows_where_there_may_be_none() -> None:
    made = process("p", "s -> a -> e -> s")
    assert {("wrong-flow", "s"), ("wrong-flow", "e")} <= errors(made)
    dangling = replace(made, body=replace(made.body, flows={**made.body.flows, "f": Flow("f", "a", "gone")}))
    assert ("dangling-flow", "f") in errors(dangling)
    assert ("boundary", "b") in errors(process("p", "s -> a -> e; b -> e2", b=boundary("gone", timer("P1D"))))


def test_dead_ends() -> None:
    made = process("p", "s -> x; x -[a]-> g; x -else-> c; x -[b]-> t", x=xor(), g=xor(), c=catch(timer("P1D")))
    assert codes(made) == {("dead-end", "g"), ("dead-end", "c")}


def test_links_have_partners() -> None:
    good = process("p", "s -> t; c -> e", t=throw(link("on")), c=catch(link("on")))
    assert codes(good) == set()
    assert ("link", "t") in errors(process("p", "s -> t; c -> e", t=throw(link("on")), c=catch(link("off"))))
    assert ("link", "c") in codes(process("p", "s -> e; c -> e2", c=catch(link("off"))))
    twice = process("p", "s -> t; c -> e; d -> e2", t=throw(link("on")), c=catch(link("on")), d=catch(link("on")))
    assert errors(twice) == {("link", "d")}


def test_event_gateways_are_followed_by_what_waits() -> None:
    good = process("p", "s -> g; g -> m -> e; g -> t -> e", g=event_based(), m=catch(message("m")), t=catch(timer("P1D")))
    assert codes(good) == set()
    bad = process(
        "p", "s -> g; g -> a -> e; g -> t -> e; s2 -> t", g=event_based(), t=catch(timer("P1D")), s2=start(message("m"))
    )
    assert errors(bad) == {("event-gateway", "g_a")}
    assert ("event-gateway", "t") in codes(bad)


def test_two_tasks_of_one_name_in_a_lane() -> None:
    made = process("p", "s -> a -> b -> c -> e", a=user(name="Check"), b=user(name="Check"), lanes={"x": ("a", "b"), "y": ("c",)})
    assert codes(made, Severity.NOTE) == {("duplicate-name", "b")}


# --- tokens ---------------------------------------------------------------------------------------------------------------------


def test_conditions_that_may_all_fail() -> None:
    made = process("p", "s -> x; x -[a]-> b -> e; x -[not(a)]-> c -> e", x=xor())
    assert codes(made) == {("no-default", "x")}
    inclusive = process("p", "s -> x; x -[a]-> b -> e; x -[c]-> c -> e", x=inc())
    assert codes(inclusive) == {("no-default", "x")}
    activity = process("p", "s -> b; b -[a]-> e")
    assert codes(activity) == {("no-default", "b")}
    missing = process("p", "s -> x; x -> b -> e; x -else-> c -> e", x=xor())
    assert codes(missing) == {("no-condition", "x_b")}


def test_conditions_without_effect() -> None:
    made = process("p", "s -[z]-> x; x -[a]-> b -> j; x -> c -> j; j -> e", x=par(), j=par())
    assert codes(made) == {("ignored-condition", "x_b"), ("condition-on-event", "s_x"), ("no-default", "s")}


def test_joins_that_wait_for_ever() -> None:
    certain = process("p", "s -> x; x -[a]-> b -> j; x -else-> c -> j; j -> e", x=xor(), j=par())
    assert errors(certain) == {("deadlock", "j")}
    by_events = process(
        "p", "s -> g; g -> m -> j; g -> t -> j; j -> e", g=event_based(), m=catch(message("m")), t=catch(timer("P1D")), j=par()
    )
    assert errors(by_events) == {("deadlock", "j")}
    likely = process(
        "p",
        "s -> f; f -> x; f -> d -> k; x -[a]-> b -> j; x -else-> c -> j; j -> k; k -> e",
        f=par(),
        x=xor(),
        j=par(),
        k=par(),
    )
    assert codes(likely) == {("deadlock", "j")}
    assert errors(likely) == set()


@pytest.mark.parametrize(
    "flows",
    [
        "s -> f; f -> a -> j; f -> b -> j; j -> e",
        # What is chosen between is merged again before the join.
        "s -> f; f -> x; x -[a]-> a -> m; x -else-> b -> m; m -> j; f -> c -> j; j -> e",
        # Round and round, and in the end on.
        "s -> m; m -> f; f -> a -> j; f -> b -> j; j -> x; x -[again]-> m; x -else-> e",
        # Fork and join stand in different branches of a choice.
        "s -> x; x -[q]-> f; f -> a -> j; f -> b -> j; x -else-> c -> m; j -> m; m -> e",
    ],
)
def test_joins_that_are_well(flows: str) -> None:
    assert "deadlock" not in {finding.code for finding in findings(process("p", flows, f=par(), j=par(), x=xor(), m=xor()))}


def test_a_second_token_by_a_boundary_event_may_do() -> None:
    made = process("p", "s -> a -> j; b -> c -> j; j -> e", b=boundary("a", timer("P1D"), interrupting=False), j=par())
    assert "deadlock" not in {finding.code for finding in findings(made)}
    interrupting = process("p", "s -> a -> j; b -> c -> j; j -> e", b=boundary("a", timer("P1D")), j=par())
    assert errors(interrupting) == {("deadlock", "j")}


def test_loops_that_never_end() -> None:
    endless = process("p", "s -> m; m -> t -> u -> m", m=xor(), t=script("1", "a"), u=throw())
    assert errors(endless) == {("endless-loop", "m")}
    tasks = process("p", "s -> m; m -> t -> m", m=xor(), t=text.task())
    assert errors(tasks) == {("endless-loop", "m")}
    chosen = process("p", "s -> m; m -> x; x -[a]-> t -> m; x -else-> u -> m", m=xor(), x=xor(), t=script("1"), u=script("2"))
    assert errors(chosen) == {("endless-loop", "m")}
    assert errors(process("p", "s -> a -> e", a=user(loop=text.loop()))) == {("endless-loop", "a")}


def test_loops_that_wait_or_can_be_left_are_well() -> None:
    waiting = process("p", "s -> m; m -> t -> a -> m", m=xor(), t=script("1"))
    leaving = process("p", "s -> m; m -> t -> x; x -[a < 3]-> m; x -else-> e", m=xor(), x=xor(), t=script("1", "a"))
    for made in (waiting, leaving):
        assert "endless-loop" not in {finding.code for finding in findings(made)}


def bare(kind: TaskKind) -> Any:
    return lambda id_: Task(id=id_, kind=kind)


# --- elements -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (service(), "no-operation"),
        (bare(TaskKind.SEND), "no-message"),
        (call(""), "calls-nothing"),
        (catch(), "no-trigger"),
        (catch(text.error("x")), "wrong-trigger"),
        (throw(timer("P1D")), "wrong-trigger"),
        (bare(TaskKind.RULE), "no-decision"),
        (bare(TaskKind.SCRIPT), "no-script"),
        (bare(TaskKind.RECEIVE), "no-message"),
        (user(loop=MultiInstance(False)), "multi-instance"),
        (user(loop=text.each("1 +")), "feel"),
        (user(inputs={"x": "a b ("}), "feel"),
        (script("if a"), "feel"),
        (catch(message("m", key="a.")), "feel"),
        (catch(text.condition("a &&")), "feel"),
        (catch(timer("PT5", TimerKind.DURATION)), "timer"),
        (catch(timer('"P1X"', TimerKind.DURATION)), "timer"),
        (catch(timer("2026-02-30T10:00:00Z", TimerKind.DATE)), "timer"),
        (catch(timer("R3/1 hour", TimerKind.CYCLE)), "timer"),
        (catch(timer("5 minutes", TimerKind.DURATION)), "feel"),
        (catch(timer("0 0 9 * * ?", TimerKind.CYCLE)), "feel"),
    ],
)
def test_what_an_executable_process_must_say(node: Any, code: str) -> None:
    made = process("p", "s -> a -> e", a=node)
    assert errors(made) == {(code, "a")}
    drawn = replace(made, executable=False)
    assert errors(drawn) == set()


def test_good_expressions_and_times() -> None:
    made = process(
        "p",
        "s -> a -> b -> c -> d -> e",
        data={"credit score": "0"},
        a=catch(timer("duration(delay)", TimerKind.DURATION)),
        b=catch(timer("P1DT2H", TimerKind.DURATION)),
        c=catch(timer('"2026-01-31T10:00:00Z"', TimerKind.DATE)),
        d=user(inputs={"x": "credit score + 1"}, outputs={"y": "if x > 1 then x else null"}),
    )
    assert codes(made) == set()


def test_functions_that_feel_does_not_have() -> None:
    assert codes(process("p", "s -> a -> e", a=script("frobnicate(3)", "b"))) == {("feel", "a")}


@pytest.mark.parametrize(
    ("written", "kind", "good"),
    [
        ("2026-01-31", TimerKind.DATE, True),
        ("2026-01-31T10:00:00+01:00", TimerKind.DATE, True),
        ("2026-13-01", TimerKind.DATE, False),
        ("P1D", TimerKind.DATE, False),
        ("P3DT4H5M6.5S", TimerKind.DURATION, True),
        ("P1Y2M", TimerKind.DURATION, True),
        ("P", TimerKind.DURATION, False),
        ("PT", TimerKind.DURATION, False),
        ("1D", TimerKind.DURATION, False),
        ("R/PT1H", TimerKind.CYCLE, True),
        ("R3/2026-01-31T10:00:00Z/P1D", TimerKind.CYCLE, True),
        ("R-1/PT1H", TimerKind.CYCLE, True),
        ("R0/PT1H", TimerKind.CYCLE, False),
        ("R3/PT0S", TimerKind.CYCLE, False),
        ("R3/2026-01-31/2026-02-01/P1D", TimerKind.CYCLE, False),
        ("R3", TimerKind.CYCLE, False),
        ("R3/2026-01-31T10:00:00Z", TimerKind.CYCLE, False),
        ("PT1H", TimerKind.CYCLE, False),
    ],
)
def test_times_of_iso_8601(written: str, kind: TimerKind, good: bool) -> None:
    assert is_time(written, kind) is good


def test_events_that_belong_elsewhere() -> None:
    made = process(
        "p",
        "s -> a -> e; b -> e2",
        e=end(text.cancel),
        b=boundary("a", text.error("x"), interrupting=False),
    )
    assert errors(made) == {("wrong-trigger", "e"), ("wrong-trigger", "b")}


def test_processes_that_call_themselves() -> None:
    one, other = process("one", "s -> c -> e", c=call("other")), process("other", "s -> c -> e", c=call("one"))
    found = lint(text.definitions(one, other))
    assert {(finding.code, finding.element) for finding in found} == {("calls-itself", "one"), ("calls-itself", "other")}


def test_findings_tell_element_line_and_code() -> None:
    source = text.xml(process("p", "s -> x; x -[a +]-> b; x -else-> e", x=xor()))
    (found,) = [finding for finding in lint(read(source, "p.bpmn")) if finding.severity is Severity.ERROR]
    line = 1 + source[: source.index(b'id="x_b"')].count(b"\n")
    assert (found.code, found.element, found.line) == ("feel", "x_b", line)
    assert str(found).startswith(f"error: line {line}, 'x_b': the condition is not FEEL")


def test_findings_of_reading_are_among_them() -> None:
    source = text.xml(process("p", "s -> a -> e")).replace(b"userTask", b"complexGateway")
    assert ("not-executable", "a") in {(finding.code, finding.element) for finding in lint(read(source))}


def test_every_code_is_listed() -> None:
    """Codes are promises: what a check or the reader says is in the table of `modelyard.bpmn.lint`."""
    module = sys.modules[lint.__module__]
    folder = Path(module.__file__ or "").parent
    sources = [path.read_text(encoding="utf-8") for name in ("checks", "reading") for path in (folder / name).glob("*.py")]
    call = r'(?:\.error|\.warning|\.note|\.notice|\.cannot_run|findings\.add)\(\s*[^"(]*(?:\([^)]*\))?[^"(]*"([a-z-]+)"'
    found = {code for source in sources for code in re.findall(call, source)}
    assert len(found) > 40
    assert {code for code in found if code not in (module.__doc__ or "")} == set()


@pytest.mark.parametrize("shape", ["chain", *(pytest.param(shape, marks=pytest.mark.slow) for shape in ("ladder", "joins"))])
def test_large_processes_are_linted_in_time(shape: str) -> None:
    flows = {
        "chain": lambda n: f"a{n} -> a{n + 1}",
        "ladder": lambda n: f"x{n} -[q]-> x{n + 1}; x{n} -else-> x{n + 2}",
        "joins": lambda n: f"x{n} -[q]-> j{n}; x{n} -else-> j{n}; j{n} -> x{n + 1}",
    }[shape]
    nodes: dict[str, Any] = {}
    if shape != "chain":
        nodes = {f"x{n}": xor() for n in range(1502)} | {f"j{n}": par() for n in range(1500 if shape == "joins" else 0)}
    made = process("p", "; ".join(flows(n) for n in range(1500)) + f"; s -> {'a0' if shape == 'chain' else 'x0'}", **nodes)
    definitions = text.definitions(made)
    begun = perf_counter()
    found = lint(definitions)
    assert perf_counter() - begun < 5
    assert ("deadlock" in {finding.code for finding in found}) is (shape == "joins")
