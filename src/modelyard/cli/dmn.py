"""`modelyard dmn`: decision models on files, without a server: evaluate, check, test, explain."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import SHOWING, Output
from modelyard.cli.session import say

if TYPE_CHECKING:
    from modelyard.dmn.coverage import Coverage
    from modelyard.dmn.engine import Model, Result
    from modelyard.dmn.examples import Example, Report
    from modelyard.dmn.run import Message, Trace

dmn = App(name="dmn", help="Decision models in DMN, on files: evaluate, check, test, explain. Needs no server.")

Files = Annotated[
    Path, Parameter(allow_leading_hyphen=True, help="The model and the files that it imports; a folder, or - for stdin.")
]
Decision = Annotated[
    tuple[str, ...],
    Parameter(name=("--decision", "-d"), negative=(), show_default=False, help="By name or id; else all that no other requires."),
]
Input = Annotated[
    tuple[str, ...],
    Parameter(
        name=("--input", "-i"), negative=(), show_default=False, help="`name=value`, also `Applicant.age=42`; may be repeated."
    ),
]
Data = Annotated[
    Path | None, Parameter(allow_leading_hyphen=True, help="Rows of inputs: JSON, CSV, Parquet or Arrow; - for JSON on stdin.")
]

FINDINGS = "SEVERITY=severity:status FILE=file LINE=line WHERE=where RULES=rules CODE=code EXAMPLE=example WHAT=what"
FAILURES = "FILE=file ROW=row EXAMPLE=name DECISION=decision EXPECTED=expected ACTUAL=actual WHY=why"
COVERAGE = "TABLE=table RULES=rules FIRED=fired SHARE=share:share CONDITIONS=conditions:share SILENT=silent"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Showing:
    """How the answer is printed."""

    output: Annotated[Output, Parameter(name=("--output", "-o"), group=SHOWING, help="Form of what is printed on stdout.")] = (
        "table"
    )

    @property
    def for_people(self) -> bool:
        return self.output in ("table", "wide", "name")


SHOW = Showing()


@dmn.command(name="eval")
def evaluate(
    *files: Files,
    decision: Decision = (),
    given: Input = (),
    data: Data = None,
    trace: Annotated[bool, Parameter(negative=(), show_default=False, help="Tell which rules fired, too.")] = False,
    how: Showing = SHOW,
) -> int:
    """Evaluate decisions on inputs from the command line or a file."""
    model, rows, names = _asked(files, decision, given, data)
    found = [_evaluated(model, names, row, trace=trace) for row in rows]
    records = [_record(results, words) for results, words in zip(found, _words(model, found, trace), strict=True)]
    if how.for_people:
        _print_answers(records, names, how.output)
    else:
        _print(records[0] if data is None else records, how.output)
    return DONE


@dmn.command(name="explain")
def explain(*files: Files, decision: Decision = (), given: Input = (), data: Data = None, how: Showing = SHOW) -> int:
    """Tell in words which rules fired, on which values, and what came of it."""
    model, rows, names = _asked(files, decision, given, data)
    found = [_evaluated(model, names, row, trace=True) for row in rows]
    records: list[dict[str, Any]] = [
        {"answers": _answers(results), "because": words} | _messages(results)
        for results, words in zip(found, _words(model, found, True), strict=True)
    ]
    if not how.for_people:
        _print(records[0] if data is None else records, how.output)
        return DONE
    for number, record in enumerate(records, 1):
        if len(records) > 1:
            sys.stdout.write(f"row {number}\n")
        for sentence in record["because"]:
            sys.stdout.write(render.safe(f"{sentence}.") + "\n")
        for name, value in record["answers"].items():
            sys.stdout.write(render.safe(f"{name}: {_shown(value)}") + "\n")
        _say_messages(record, f"row {number}: " if len(records) > 1 else "")
    return DONE


@dmn.command(name="check")
def check(
    *files: Files,
    fail_on: Annotated[Literal["error", "warning"], Parameter(help="What makes the exit code 1.")] = "error",
    how: Showing = SHOW,
) -> int:
    """Look for what is wrong in a model and its tables: broken expressions, gaps, overlaps, rules that cannot fire."""
    from modelyard.cli.dmn_check import findings

    found = findings(_some(files))
    grave = [row for row in found if row["severity"] == "error" or (fail_on == "warning" and row["severity"] == "warning")]
    if how.output == "table":
        _print_findings(found)
    else:
        render.print_rows([_plainly(row) for row in found], FINDINGS, how.output, name="where")
    counts = {level: sum(row["severity"] == level for row in found) for level in ("error", "warning", "info")}
    say(f"{counts['error']} errors, {counts['warning']} warnings, {counts['info']} remarks")
    return FAILED if grave else DONE


@dmn.command(name="test")
def run_examples(
    *files: Annotated[Path, Parameter(help="The model's files, and examples: CSV, or test cases of the DMN TCK.")],
    min_coverage: Annotated[float, Parameter(help="The share of rules that must fire, from 0 to 1.")] = 0.0,
    how: Showing = SHOW,
) -> int:
    """Run a model on examples of what it should answer; print what does not agree, and which rules no example reaches."""
    from modelyard.cli.dmn_data import loaded, told
    from modelyard.dmn import examples
    from modelyard.dmn.errors import DmnError

    if not 0 <= min_coverage <= 1:
        raise Usage(f"{min_coverage:g} is not between 0 and 1", field="--min-coverage")
    models, tests = _sorted_out(_some(files))
    model = loaded(models)
    try:
        given = [(path, example) for path in tests for example in _read_examples(model, path)]
    except DmnError as error:
        raise told(error) from error
    report = examples.run(model, [example for _, example in given])
    failures = _failures([path for path, _ in given], report)
    _print_report(report, failures, how)
    enough = report.coverage.rule_share >= min_coverage
    agree = len(report.results) - len(report.failures)
    say(f"{agree} of {len(report.results)} examples agree; {report.coverage.rule_share:.1%} of the rules fired")
    if not enough:
        say(f"asked for are {min_coverage:.1%} of the rules")
    return DONE if report.passed and enough else FAILED


def _print_findings(found: Sequence[dict[str, Any]]) -> None:
    """A line each, as compilers write them: sentences do not fit into columns."""
    for row in found:
        place = ":".join(str(part) for part in (row["file"], row["line"]) if part)
        rules = f"{', rules' if len(row['rules']) > 1 else ', rule'} {', '.join(map(str, row['rules']))}" if row["rules"] else ""
        colour = render.status(row["severity"])[1]
        where = f"{row['where'] or ''}{rules}"
        told = render.safe(f"{place}: {f'{where}: ' if where else ''}{row['what']} [{row['code']}]")
        sys.stdout.write(f"{render.paint(row['severity'], colour, sys.stdout)}: {told}\n")
    if not found:
        sys.stdout.write("nothing is wrong\n")


def _some(files: Sequence[Path]) -> Sequence[Path]:
    if not files:
        raise Usage("name at least one file", field="FILES", hint="modelyard dmn check loan.dmn")
    return files


def _asked(
    files: Sequence[Path], decision: Sequence[str], given: Sequence[str], data: Path | None
) -> tuple[Model, list[dict[str, Any]], list[str]]:
    """The model, the rows, and the names of the decisions to evaluate."""
    from modelyard.cli.dmn_data import STDIN, loaded, rows

    if data == STDIN and STDIN in files:
        raise Usage("stdin can be the model or the data, not both", field="--data")
    model = loaded(_some(files))
    known = {key: info.name for info in model.decisions for key in (info.id, info.name)}
    for name in decision:
        if name not in known:
            names = ", ".join(dict.fromkeys(known.values())) or "none"
            raise Usage(f"the model has no decision {name!r}", field="--decision", hint=f"its decisions: {names}")
    required = {name for info in model.decisions for name in info.requires}
    final = [info.name for info in model.decisions if info.name not in required]
    return model, rows(model, given, data), list(dict.fromkeys(known[name] for name in decision)) or final


def _evaluated(model: Model, names: Sequence[str], row: dict[str, Any], *, trace: bool) -> dict[str, Result]:
    from modelyard.cli.dmn_data import told
    from modelyard.dmn.errors import DmnError

    try:
        return {name: model.evaluate(name, row, trace=trace) for name in names}
    except DmnError as error:
        raise told(error) from error


def _words(model: Model, found: Sequence[dict[str, Result]], trace: bool) -> Iterator[list[str]]:
    """What happened, sentence by sentence, for each row."""
    from modelyard.kinds.fired import Words

    words = Words(model) if trace else None
    for results in found:
        traces = [result.trace for result in results.values() if result.trace is not None]
        told = [sentence for each in traces for sentence in words.sentences(each)] if words is not None else []
        yield list(dict.fromkeys(told))


def _answers(results: dict[str, Result]) -> dict[str, Any]:
    from modelyard.dmn.from_python import plain

    return {name: plain(result.value) for name, result in results.items()}


def _record(results: dict[str, Result], words: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {"answers": _answers(results)} | _messages(results)
    if words:
        record["because"] = words
        record["trace"] = {name: _trace(result.trace) for name, result in results.items() if result.trace is not None}
    return record


def _messages(results: dict[str, Result]) -> dict[str, Any]:
    """What was noticed on the way, each once; nothing when there was nothing."""
    found = dict.fromkeys(message for result in results.values() for message in result.messages)
    return {"messages": [_message(message) for message in found]} if found else {}


def _message(message: Message) -> dict[str, Any]:
    return {"severity": message.severity.value, "text": message.text, "element": message.element}


def _trace(trace: Trace) -> list[dict[str, Any]]:
    from modelyard.dmn.from_python import plain

    return [
        {
            "node": node.name,
            "kind": node.kind,
            "value": plain(node.value),
            "tables": [
                {
                    "inputs": {text: plain(value) for text, value in table.inputs},
                    "rules": [{"rule": r.index, "outputs": plain(r.outputs), "note": r.text} for r in table.rules],
                    "value": plain(table.value),
                }
                for table in node.tables
            ],
        }
        for node in trace.nodes
    ]


def _print_answers(records: list[dict[str, Any]], names: Sequence[str], output: str) -> None:
    """One row: a line a decision. Several: a line a row."""
    if len(records) == 1:
        rows = [{"decision": name, "value": _shown(value)} for name, value in records[0]["answers"].items()]
        render.print_rows(rows, "DECISION=decision VALUE=value", output, name="value")
    else:
        rows = [
            {"row": number} | {f"d{place}": _shown(record["answers"][name]) for place, name in enumerate(names)}
            for number, record in enumerate(records, 1)
        ]
        columns = " ".join(f"{_title(name)}=d{place}" for place, name in enumerate(names))
        render.print_rows(rows, f"ROW=row {columns}", output, name="d0")
    for number, record in enumerate(records, 1):
        row = f"row {number}: " if len(records) > 1 else ""
        for sentence in record.get("because", ()):
            sys.stdout.write(render.safe(f"{row}{sentence}.") + "\n")
        _say_messages(record, row)


def _say_messages(record: dict[str, Any], row: str) -> None:
    for message in record.get("messages", ()):
        at = f" (at {message['element']})" if message["element"] else ""
        say(f"{row}{message['severity']} while evaluating: {message['text']}{at}")


def _title(name: str) -> str:
    """A decision's name as a column's title, which has no spaces."""
    return name.upper().replace(" ", "-").replace("=", "-").replace("|", "-")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return value if isinstance(value, str) else json.dumps(_numbers(value), ensure_ascii=False, default=str)


def _numbers(value: Any) -> Any:
    """Decimals as JSON's numbers: whole ones as they are, others as the double next to them."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.adjusted() < 40 else float(value)
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    return [_numbers(item) for item in value] if isinstance(value, list) else value


def _print(value: Any, output: str) -> None:
    if output == "yaml":
        import yaml

        sys.stdout.write(yaml.safe_dump(_numbers(value), sort_keys=False, allow_unicode=True))
    else:
        import msgspec  # which writes decimals digit by digit

        encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
        sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def _plainly(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _numbers(value) for name, value in row.items()}


def _sorted_out(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Models and examples, told apart by what is in them."""
    from modelyard.cli.dmn_data import STDIN, content

    models: list[Path] = []
    tests: list[Path] = []
    for path in files:
        is_test = path.suffix.lower() == ".csv" or (path != STDIN and not path.is_dir() and b"testCases" in content(path)[:4096])
        (tests if is_test else models).append(path)
    if not models or not tests:
        raise Usage("give a model and examples", field="FILES", hint="modelyard dmn test loan.dmn examples.csv")
    return models, tests


def _read_examples(model: Model, path: Path) -> tuple[Example, ...]:
    from modelyard.cli.dmn_data import content
    from modelyard.dmn.example_files import from_csv, from_tck

    data = content(path)
    return from_csv(data, model, path.name) if path.suffix.lower() == ".csv" else from_tck(data, path.name)


def _failures(paths: Sequence[Path], report: Report) -> list[dict[str, Any]]:
    from modelyard.dmn.from_python import plain

    return [
        {
            "file": path.name,
            "row": result.row,
            "name": result.name,
            "decision": label,
            "expected": _numbers(plain(result.expected[label])),
            "actual": _numbers(plain(result.actual[label])),
            "why": "; ".join(dict.fromkeys([*(str(e) for e in result.errors), *(m.text for m in result.messages)])),
        }
        for path, result in zip(paths, report.results, strict=True)
        for label in result.failed
    ]


def _print_report(report: Report, failures: list[dict[str, Any]], how: Showing) -> None:
    tables = list(_covered(report.coverage))
    if not how.for_people:
        whole = {
            "examples": len(report.results),
            "failed": failures,
            "rule_share": report.coverage.rule_share,
            "condition_share": report.coverage.condition_share,
            "tables": tables,
        }
        _print(whole, how.output)
        return
    if failures:
        shown = [row | {"expected": _shown(row["expected"]), "actual": _shown(row["actual"])} for row in failures]
        render.print_rows(shown, FAILURES, how.output, name="row")
        sys.stdout.write("\n")
    if tables:
        render.print_rows(tables, COVERAGE, how.output, name="table")


def _covered(coverage: Coverage) -> Iterator[dict[str, Any]]:
    for table in coverage.tables:
        yield {
            "table": table.owner,
            "rules": table.rules,
            "fired": len(table.fired),
            "share": table.rule_share,
            "conditions": table.condition_share,
            "silent": list(table.unfired),
        }
