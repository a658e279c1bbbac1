"""`modelyard lifecycle simulate`: how long a life cycle will take, what it costs, where it waits; and two of them compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.bodies import document
from modelyard.cli.dmn import SHOW, Showing
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.lifecycle_check import Process
from modelyard.cli.lifecycle_files import beside, process_of, scenarios_of, told
from modelyard.cli.session import say
from modelyard.core.errors import InvalidInput

if TYPE_CHECKING:
    from modelyard.bpmn import Definitions
    from modelyard.bpmn.simulation import Comparison, Difference, Report, Scenario

STEPS = "STEP=name ROLE=role TIMES=times WAITING=waiting WORKING=working SHARE=share:share | ELEMENT=element"
BOTH = "STEP=name WAITING=waiting_before →=waiting_after WORKING=working_before →=working_after | ELEMENT=element"
ENTRIES = "durations waits probabilities outcomes costs capacities rates arrivals cases data begin"
_BY_ELEMENT = ("durations", "waits", "probabilities", "outcomes", "costs")
_BY_ROLE = ("capacities", "rates")


def simulate(
    file: Process,
    /,
    *,
    runs: Annotated[int, Parameter(help="How often it is played.")] = 200,
    seed: Annotated[int, Parameter(help="The same seed gives the same answer.")] = 0,
    compare: Annotated[Path | None, Parameter(help="Another process: what would be different with it.")] = None,
    scenario: Annotated[
        Path | None,
        Parameter(
            help="What is assumed beside what the process says, YAML or JSON; when left out NAME.simulation.yaml beside it,"
            f" or else the data of NAME.scenarios.yaml. It has {', '.join(ENTRIES.split())}."
        ),
    ] = None,
    how: Showing = SHOW,
) -> int:
    """Play a process many times: lead time, waiting and working by step, bottleneck, cost, and where cases end."""
    first = process_of(file)
    assumed = _assumed(file, scenario)
    if compare is None:
        before = _simulated(first, assumed, runs, seed)
        _print_report(before, how)
        return _ended(before)
    second = process_of(compare)
    own = None if scenario else beside(compare, "simulation")
    fitted = (assumed, _scenario(own)) if own else tuple(_fitted(assumed, first, second))
    before, after = (_simulated(each, given, runs, seed) for each, given in zip((first, second), fitted, strict=True))
    _print_comparison(before, after, how)
    return max(_ended(before), _ended(after))


def _simulated(definitions: Definitions, assumed: Scenario, runs: int, seed: int) -> Report:
    from modelyard.bpmn import BpmnError, InvalidProcess
    from modelyard.bpmn.simulation import simulate as play

    try:
        return play(definitions, scenario=assumed, runs=runs, seed=seed)
    except InvalidProcess as error:
        raise told(error) from error
    except BpmnError as error:
        raise InvalidInput(error.detail, field=error.element, hint="modelyard lifecycle simulate --help") from error


# --- what is assumed ------------------------------------------------------------------------------------------------------------


def _assumed(file: Path, given: Path | None) -> Scenario:
    """What is said, or what stands beside the process, or what its tests begin with and what their steps give."""
    from modelyard.bpmn.simulation import Scenario, sampled

    said = given or beside(file, "simulation")
    if said is not None:
        return _scenario(said)
    tests = beside(file, "scenarios")
    if tests is None:
        return Scenario()
    say(f"assuming the data of {tests.name}; {file.stem}.simulation.yaml or --scenario would say otherwise")
    return sampled(scenarios_of(tests).file)


def _scenario(path: Path) -> Scenario:
    from modelyard.bpmn import BpmnError
    from modelyard.bpmn.simulation import Scenario

    said = document(path)
    strange = next((name for name in said if name not in ENTRIES.split()), None)
    if strange is not None:
        raise Usage(f"there is no {strange!r} here, but {', '.join(ENTRIES.split())}", field=str(path))
    try:
        return Scenario(**{name: _READ.get(name, _as_it_is)(given) for name, given in said.items()})
    except BpmnError as error:
        raise Usage(error.detail, field=str(path)) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise Usage(f"it cannot be read: {error}", field=str(path), hint="durations: {review: PT2H}") from error


def _as_it_is(given: Any) -> Any:
    return given


def _distributions(given: Mapping[str, Any]) -> dict[str, Any]:
    from modelyard.bpmn.simulation import parse_distribution

    return {element: parse_distribution(str(text)) for element, text in given.items()}


def _numbers(given: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(number) for name, number in given.items()}


def _outcomes(given: Mapping[str, Any]) -> dict[str, Any]:
    from modelyard.bpmn.simulation import Outcome

    return {element: tuple(Outcome(**each) for each in outcomes) for element, outcomes in given.items()}


def _arrivals(given: Any) -> Any:
    return _distributions({"": given})[""]


def _begin(given: Any) -> Any:
    found = render.moment(given)
    if found is None:
        raise ValueError(f"{given!r} is no date and time")
    return found


_READ: Mapping[str, Any] = {
    "durations": _distributions,
    "waits": _distributions,
    "probabilities": _numbers,
    "costs": _numbers,
    "rates": _numbers,
    "outcomes": _outcomes,
    "arrivals": _arrivals,
    "begin": _begin,
    "cases": int,
    "data": dict,
    "capacities": lambda given: {role: int(number) for role, number in given.items()},
}


def _fitted(assumed: Scenario, *both: Definitions) -> Iterator[Scenario]:
    """For each of two processes the part that speaks of it. What neither of them has stays, so that it is refused."""
    known = [_names(each) for each in both]
    for mine, other in (known, known[::-1]):
        parts: dict[str, Any] = {
            name: {key: given for key, given in getattr(assumed, name).items() if key in mine or key not in other}
            for name in (*_BY_ELEMENT, *_BY_ROLE)
        }
        yield replace(assumed, **parts)


def _names(definitions: Definitions) -> set[str]:
    """Of elements, and of roles as tasks and lanes have them."""
    from modelyard.bpmn.simulation.scenario import elements_of

    found: set[str] = set()
    for process in definitions.processes:
        for element in elements_of(process.body):
            found |= {element.id, str(element.extensions.get("role", ""))}
        for lane in process.lanes:
            found |= {lane.role or lane.name or lane.id}
    return found


# --- what is printed ------------------------------------------------------------------------------------------------------------


def _print_report(report: Report, how: Showing) -> None:
    if not how.for_people:
        render.print_one(_plain(report), how.output)
        return
    out = sys.stdout
    out.write(render.safe(f"{report.process}: {report.cases} cases in {report.runs} runs") + "\n")
    for line in (_lead(report), _cost(report), *_bottleneck(report)) if _some_ended(report) else ("no case ended",):
        out.write(render.safe(line) + "\n")
    for end, part in report.ends.items():
        out.write(render.safe(f"ends at {end}: {part:.1%}") + "\n")
    out.write("\n")
    render.print_rows([_step(step) for step in report.steps], STEPS, how.output, name="element")
    if report.roles:
        rows = [{"role": r.role, "busy": r.busy} | _times(r) for r in report.roles]
        out.write("\n")
        render.print_rows(rows, "ROLE=role WAITING=waiting WORKING=working BUSY=busy:share", how.output, name="role")


def _lead(report: Report) -> str:
    within = ", ".join(f"{of:.0%} within {_lasting(value)}" for of, value in report.lead.quantiles.items() if of > 0.5)
    between = f"{_lasting(report.lead.low)} to {_lasting(report.lead.high)}"
    return f"lead time: median {_lasting(report.lead.quantiles[0.5])}; {within}; mean {_lasting(report.lead.mean)} ({between})"


def _cost(report: Report) -> str:
    waiting, working = (sum(getattr(step, what) for step in report.steps) for what in ("waiting", "working"))
    cost = f"cost: mean {report.cost.mean:,.2f} ({report.cost.low:,.2f} to {report.cost.high:,.2f})"
    return f"{cost}; waiting {_lasting(waiting)}, working {_lasting(working)}"


def _bottleneck(report: Report) -> Iterator[str]:
    if report.bottleneck is not None:
        step = report.steps[0]
        yield f"bottleneck: {step.name}, {step.share:.0%} of the lead time"


def _step(step: Any) -> dict[str, Any]:
    return {
        "element": step.element,
        "name": step.name,
        "role": step.role,
        "times": f"{step.times:.2f}",
        "share": round(step.share, 3),
    } | _times(step)


def _times(of: Any) -> dict[str, Any]:
    return {"waiting": _lasting(of.waiting), "working": _lasting(of.working)}


def _lasting(seconds: float) -> str:
    from modelyard.bpmn.simulation.report import duration

    return duration(seconds)


def _print_comparison(before: Report, after: Report, how: Showing) -> None:
    from modelyard.bpmn.simulation import compare

    comparison = compare(before, after)
    if not how.for_people:
        whole = {"before": _plain(before), "after": _plain(after), "difference": _differences(comparison)}
        render.print_one(whole, how.output)
        return
    for line in comparison.lines:
        sys.stdout.write(render.safe(line) + "\n")
    names = [next(iter(_bottleneck(report)), "bottleneck: none").partition(": ")[2] for report in (before, after)]
    sys.stdout.write(render.safe(f"bottleneck: {names[0]} → {names[1]}") + "\n\n")
    render.print_rows(list(_side_by_side(before, after)), BOTH, how.output, name="element")


def _side_by_side(before: Report, after: Report) -> Iterator[dict[str, str]]:
    old, new = ({step.element: step for step in report.steps} for report in (before, after))
    for element in dict.fromkeys((*old, *new)):
        row = {"element": element, "name": (new.get(element) or old[element]).name}
        for side, steps in (("before", old), ("after", new)):
            times = _times(steps[element]) if element in steps else {"waiting": "-", "working": "-"}
            row |= {f"{what}_{side}": shown for what, shown in times.items()}
        yield row


def _differences(comparison: Comparison) -> dict[str, Any]:
    def told_of(of: Difference) -> dict[str, Any]:
        found: dict[str, Any] = _finite(asdict(of) | {"told": of.told})
        return found

    ends = {end: list(parts) for end, parts in comparison.ends.items()}
    return {"lead": told_of(comparison.lead), "cost": told_of(comparison.cost), "ends": ends, "paired": comparison.paired}


def _plain(report: Report) -> dict[str, Any]:
    """The whole report without the single runs; times in seconds."""
    found = asdict(report) | {"bottleneck": report.bottleneck}
    for name in ("lead", "cost"):
        found[name]["quantiles"] = {f"{of:g}": value for of, value in found[name]["quantiles"].items()}
    plain: dict[str, Any] = _finite({name: value for name, value in found.items() if name not in ("leads", "costs")})
    return plain


def _finite(value: Any) -> Any:
    """JSON has no number that is none."""
    if isinstance(value, float) and isnan(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _ended(report: Report) -> int:
    """Says why cases did not end. With none that did there is no answer, and the command has failed."""
    for reason, number in report.unfinished.items():
        say(f"{report.process}: {number} of {report.cases} cases did not end: {reason}")
    if _some_ended(report):
        return DONE
    say("next: say in NAME.simulation.yaml with which `data` cases begin, and how steps end (`outcomes`)")
    return FAILED


def _some_ended(report: Report) -> bool:
    return sum(report.unfinished.values()) < report.cases
