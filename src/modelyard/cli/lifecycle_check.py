"""`modelyard lifecycle lint | test`: what is wrong in a file of processes, and whether it does what its scenarios say."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.dmn import SHOW, Showing
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.lifecycle_files import Scenarios, beside, forms_of, process_of, scenarios_of, source_of, told
from modelyard.cli.session import say
from modelyard.core.errors import InvalidInput

if TYPE_CHECKING:
    from modelyard.bpmn import BpmnError, Definitions
    from modelyard.bpmn.model import Task
    from modelyard.bpmn.scenarios import Coverage, ScenarioResult

Process = Annotated[Path, Parameter(allow_leading_hyphen=True, help="A BPMN file, or - for stdin.")]
FINDINGS = "SEVERITY=severity:status FILE=file LINE=line ELEMENT=element CODE=code WHAT=what"
RESULTS = "RESULT=result:status SCENARIO=name FILE=file LINE=line STEPS=steps FAILURES=failures:count"
PEOPLE = ("userTask", "manualTask")
LEVELS = ("error", "warning", "note")


def lint(
    *files: Process,
    fail_on: Annotated[Literal["error", "warning"], Parameter(help="What makes the exit code 1.")] = "error",
    how: Showing = SHOW,
) -> int:
    """Look for what is wrong in processes: ways that end nowhere, joins that wait for ever, expressions that are none."""
    if not files:
        raise Usage("no file is given", field="FILES", hint="modelyard lifecycle lint review.bpmn")
    found = [row for path in files for row in _findings(path)]
    if how.output == "table":
        _print_findings(found)
    else:
        render.print_rows(found, FINDINGS, how.output, name="element")
    counts = {level: sum(row["severity"] == level for row in found) for level in LEVELS}
    say(", ".join(f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS))
    return FAILED if counts["error"] or (fail_on == "warning" and counts["warning"]) else DONE


def run_scenarios(
    file: Process,
    /,
    *,
    scenarios: Annotated[
        tuple[Path, ...],
        Parameter(negative=(), show_default=False, help="YAML or JSON; NAME.scenarios.yaml beside the process when left out."),
    ] = (),
    least_coverage: Annotated[float, Parameter(help="The share of nodes and flows that must be seen, from 0 to 1.")] = 0.0,
    how: Showing = SHOW,
) -> int:
    """Play scenarios through a process, straight and with its state saved and restored after every step."""
    if not 0 <= least_coverage <= 1:
        raise Usage(f"{least_coverage:g} is not between 0 and 1", field="--least-coverage")
    definitions = process_of(file)
    rows, coverage = _played(definitions, [scenarios_of(path) for path in _chosen(file, scenarios)])
    share = coverage.share
    passed = all(row["result"] == "passed" for row in rows)
    lines = _lines(definitions)
    missing = [{"element": id_, "line": lines.get(id_)} for id_ in (*coverage.missing_nodes, *coverage.missing_flows)]
    if how.output in ("json", "yaml"):
        whole = {"passed": passed, "scenarios": rows, "coverage": {"share": share, "missing": missing}}
        render.print_one(whole, how.output)
    elif how.output == "table":
        _print_results(rows, missing, share)
    else:
        render.print_rows(rows, RESULTS, how.output, name="name")
    say(f"{sum(row['result'] == 'passed' for row in rows)} of {len(rows)} scenarios passed; {share:.0%} of nodes and flows seen")
    if share < least_coverage:
        say(f"asked for are {least_coverage:.0%}")
    return DONE if passed and share >= least_coverage else FAILED


def _findings(path: Path) -> Iterator[dict[str, Any]]:
    """The gravest of each file first. A file that is no process at all is a finding too."""
    from modelyard.bpmn import BpmnError, read
    from modelyard.bpmn.lint import lint as findings

    source = source_of(path)
    name = "stdin" if str(path) == "-" else str(path)
    try:
        definitions = read(source, name)
    except BpmnError as error:
        yield from (_unreadable(each, name) for each in getattr(error, "problems", ()) or (error,))
        return
    rows = [
        {"severity": f.severity.value, "file": name, "line": f.line, "element": f.element, "code": f.code, "what": f.text}
        for f in findings(definitions)
    ]
    yield from sorted([*rows, *_refused(definitions, path, name)], key=lambda row: LEVELS.index(row["severity"]))


def _unreadable(error: BpmnError, name: str) -> dict[str, Any]:
    place = {"severity": "error", "file": error.file or name, "line": error.line, "element": error.element}
    return place | {"code": "unreadable", "what": error.detail}


def _refused(definitions: Definitions, path: Path, name: str) -> Iterator[dict[str, Any]]:
    """What a server would not take, or could not do, that is no fault of the process itself."""
    file = beside(path, "forms")
    known = forms_of(file) if file is not None else {}
    for form, schema in known.items():
        yield from _malformed(schema, form, str(file))
    for node in _nodes(definitions):
        row = {"file": name, "line": node.line, "element": node.id}
        form = node.extensions.get("form")
        if form and form not in known:
            where = f"{file.name} has no such form" if file else f"there is no {path.stem}.forms.yaml beside the process"
            found = {
                "severity": "error" if file else "warning",
                "code": "no-form",
            }  # without such a file it may come from elsewhere
            yield row | found | {"what": f"it asks for the form {form!r}; {where}"}
        if getattr(node, "kind", None) in PEOPLE:
            yield from (row | {"severity": "error", "code": "task", "what": what} for what in _undoable(node, known))
        operation = getattr(node, "operation", None)
        if operation and not _can_be_done(operation):
            what = f"there is no command {operation!r}, and it reads no records and queues no job"
            yield row | {"severity": "warning", "code": "unknown-operation", "what": what}


def _malformed(schema: Any, form: str, file: str) -> Iterator[dict[str, Any]]:
    from modelyard.lifecycle.tasks.forms import check

    try:
        check(schema, form)
    except InvalidInput as error:
        row = {"severity": "error", "file": file, "line": None, "element": error.field, "code": "form"}
        yield row | {"what": error.detail}


def _undoable(task: Task, forms: dict[str, Any]) -> Iterator[str]:
    from modelyard.lifecycle.tasks.checking import check_task

    try:
        check_task(task, forms | {str(task.extensions.get("form")): {}})
    except InvalidInput as error:
        yield error.detail.removeprefix(f"user task {task.id!r} (line {task.line}): ")


def _can_be_done(operation: str) -> bool:
    from modelyard.client.routes import COMMANDS

    return operation in COMMANDS or operation.startswith(("job:", "read."))


def _print_findings(found: Sequence[dict[str, Any]]) -> None:
    """A line each, as compilers write them: sentences do not fit into columns."""
    for row in found:
        place = ":".join(str(part) for part in (row["file"], row["line"]) if part)
        about = f" {row['element']}:" if row["element"] else ""
        colour = render.status(row["severity"])[1]
        line = f"{place}: {row['severity']}:{about} {row['what']} [{row['code']}]"
        sys.stdout.write(render.paint(render.safe(line), colour if row["severity"] != "note" else "", sys.stdout) + "\n")
    if not found:
        sys.stdout.write("nothing is wrong\n")


def _chosen(process: Path, given: Sequence[Path]) -> list[Path]:
    if given:
        return list(given)
    found = beside(process, "scenarios")
    if found is None:
        name = process.with_suffix(".scenarios.yaml").name
        raise Usage(f"there is no {name} beside the process", field="--scenarios", hint="modelyard lifecycle init shows one")
    return [found]


def _played(definitions: Definitions, files: Sequence[Scenarios]) -> tuple[list[dict[str, Any]], Coverage]:
    from modelyard.bpmn import BpmnError, compile_process
    from modelyard.bpmn.scenarios import run
    from modelyard.bpmn.scenarios.results import coverage

    rows: list[dict[str, Any]] = []
    results: list[ScenarioResult] = []
    try:
        for of in files:
            straight, restored = run(definitions, of.file), run(definitions, of.file, restoring=True)
            results += straight.results
            pairs = zip(straight.results, restored.results, strict=True)
            rows += [_row(_Played(of, number, *pair)) for number, pair in enumerate(pairs)]
        process = compile_process(definitions, files[0].file.process).process
    except BpmnError as error:
        raise told(error) from error
    return rows, coverage(process, results)


@dataclass(frozen=True)
class _Played:
    """A scenario of a file (from 0), played straight and restored after every step."""

    of: Scenarios
    number: int
    straight: ScenarioResult
    restored: ScenarioResult

    def failures(self) -> Iterator[dict[str, Any]]:
        restored = [failure for failure in self.restored.failures if failure not in self.straight.failures]
        for failure in (*self.straight.failures, *restored):
            line = self.of.line(self.number, failure.step)
            found = {"line": line, "step": failure.step, "place": failure.place, "what": failure.text}
            yield found | ({"restoring": True} if failure in restored else {})


def _row(played: _Played) -> dict[str, Any]:
    failures = list(played.failures())
    return {
        "result": "failed" if failures else "passed",
        "name": played.straight.name,
        "file": str(played.of.path),
        "line": played.of.line(played.number),
        "steps": played.straight.played,
        "failures": failures,
    }


def _print_results(rows: Sequence[dict[str, Any]], missing: Sequence[dict[str, Any]], share: float) -> None:
    for row in rows:
        shown, colour = render.status(row["result"])
        sys.stdout.write(f"{render.paint(shown, colour, sys.stdout)}  {render.safe(row['name'])}\n")
        for failure in row["failures"]:
            saved = " (after its state was saved and restored)" if failure.get("restoring") else ""
            line = f"{row['file']}:{failure['line']}: {failure['place']}: {failure['what']}{saved}"
            sys.stdout.write(f"  {render.safe(line)}\n")
    unseen = ", ".join(f"{each['element']} (line {each['line']})" if each["line"] else each["element"] for each in missing)
    sys.stdout.write(f"coverage {share:.0%}{render.safe(f'; not seen: {unseen}') if unseen else ''}\n")


def _lines(definitions: Definitions) -> dict[str, int | None]:
    from modelyard.bpmn.simulation.scenario import elements_of

    return {element.id: element.line for process in definitions.processes for element in elements_of(process.body)}


def _nodes(definitions: Definitions) -> Iterator[Any]:
    """Of processes that are to run."""
    from modelyard.bpmn.model import Flow
    from modelyard.bpmn.simulation.scenario import elements_of

    for process in definitions.processes:
        if process.executable:
            yield from (element for element in elements_of(process.body) if not isinstance(element, Flow))
