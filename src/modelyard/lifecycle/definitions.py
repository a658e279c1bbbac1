"""Definitions of life cycles: what makes a file fit to be published, and files made ready to run.

Checking reads, lints and plays scenarios. It is pure and may take a while, so it happens before the transaction of the command
that asks for it, and is remembered for the text that was checked."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import Any

import yaml

from modelyard import bpmn
from modelyard.bpmn import scenarios as testing
from modelyard.bpmn.lint import lint
from modelyard.bpmn.model import Process, Scope, Severity, SubProcess, Task, TaskKind, Trigger
from modelyard.core.digests import digest, digest_of
from modelyard.core.errors import InvalidInput, NotFound
from modelyard.core.records import Query, Transaction, equals, first
from modelyard.governance.policy.cedar import known_actions
from modelyard.lifecycle.model import DEFINITIONS, SOURCES, DefinitionStatus, ProcessDefinition
from modelyard.lifecycle.tasks import forms
from modelyard.lifecycle.tasks.checking import check_task
from modelyard.lifecycle.timed import times_of

KEPT_COMPILED = 128
WITNESSED = frozenset(
    (
        "evaluation.record_comparison",
        "monitoring.record_run",
        "governance.record_refusals",
        "delivery.record_fallbacks",
        "delivery.refuse_order",
        "governance.register_key",
        "governance.bootstrap_administrator",
        "governance.bootstrap_gates",
        "governance.bootstrap_runtime",
    )
)
"""What the platform says of what it did or saw itself; a step says it in a person's name or not at all."""


@dataclass(frozen=True)
class Checked:
    """What was found of a file that may be published."""

    key: str
    name: str
    source: str
    bundle: str
    warnings: tuple[str, ...]
    tested: int
    coverage: float


def check(source: str, process: str | None, schemas: Mapping[str, Any], scenarios: str) -> Checked:
    """Raises InvalidInput that says everything that keeps the process from being published."""
    return _check(source, process, json.dumps(schemas, sort_keys=True), scenarios)


def bundle_of(source: str, process: str | None, schemas: Mapping[str, Any], scenarios: str) -> str:
    """The digest of all that is checked, known without checking it."""
    return digest_of({"source": source, "process": process, "forms": dict(schemas), "scenarios": scenarios})


@lru_cache(maxsize=32)
def _check(source: str, process: str | None, schemas: str, scenarios: str) -> Checked:
    definitions = _read(source)
    chosen = _chosen(definitions, process)
    findings = [f for f in lint(definitions) if f.severity is not Severity.NOTE]
    errors = [str(f) for f in findings if f.severity is Severity.ERROR]
    if errors:
        raise InvalidInput("; ".join(errors[:10]), field="source", hint="`modelyard lifecycle lint FILE` shows them all")
    _check_starts(_compile(definitions, chosen.id))
    _check_authorities(chosen)
    known = json.loads(schemas)
    _check_forms(chosen, known)
    report = _play(definitions, chosen.id, scenarios) if scenarios.strip() else None
    return Checked(
        key=chosen.id,
        name=chosen.name or chosen.id,
        source=digest(source.encode()),
        bundle=bundle_of(source, process, known, scenarios),
        warnings=(*(str(f) for f in findings), *_unknown_commands(chosen)),
        tested=len(report.results) if report else 0,
        coverage=report.coverage.share if report else 0.0,
    )


def _read(source: str) -> bpmn.Definitions:
    try:
        return bpmn.read(source.encode())
    except bpmn.BpmnError as error:
        raise InvalidInput(str(error), field="source", hint="give a BPMN 2.0 XML file") from error


def _chosen(definitions: bpmn.Definitions, process: str | None) -> Process:
    runnable = [p for p in definitions.processes if p.executable]
    found = [p for p in runnable if process in (None, p.id)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.id for p in runnable) or "none"
    detail = (
        f"the file has no executable process {process!r}" if process else f"the file has {len(runnable)} executable processes"
    )
    raise InvalidInput(f"{detail}: {names}", field="process", hint="say which one")


def _compile(definitions: bpmn.Definitions, key: str) -> bpmn.CompiledProcess:
    try:
        return bpmn.compile_process(definitions, key)
    except bpmn.BpmnError as error:
        raise InvalidInput(str(error), field="source") from error


def _check_starts(code: bpmn.CompiledProcess) -> None:
    """Times are looked at in the year 2000, so that the same file is always judged alike."""
    for start in code.starts:
        if start.trigger is Trigger.TIMER:
            times_of(start, datetime(2000, 1, 1, tzinfo=UTC))


def _check_authorities(process: Process) -> None:
    """A step in the name of whoever did a task names a task that there is."""
    people = {task.id for task in tasks_of(process.body, TaskKind.USER, TaskKind.MANUAL)}
    for task in tasks_of(process.body, TaskKind.SERVICE):
        wanted = task.extensions.get("authority")
        if wanted is None:
            require_giver(task.operation, f"service task {task.id!r} (line {task.line})")
        if wanted is not None and wanted not in people:
            raise InvalidInput(
                f"service task {task.id!r} (line {task.line}) is done in the name of who did {wanted!r}, which is no user task",
                field="source",
                hint="`modelyard:authority` is the id of a user task",
            )


def _unknown_commands(process: Process) -> list[str]:
    """Steps that will be incidents, unless the platform learns their command."""
    named = [(task, str(task.operation)) for task in tasks_of(process.body, TaskKind.SERVICE)]
    return [
        f"warning: line {task.line}, {task.id!r}: there is no command {operation!r} [unknown-command]"
        for task, operation in named
        if ":" not in operation and not operation.startswith("read.") and operation not in known_actions()
    ]


def require_giver(operation: str | None, where: str) -> None:
    """Raises InvalidInput for a command that a step cannot give in the platform's name."""
    if operation in WITNESSED:
        raise InvalidInput(
            f"{where}: {operation} is not given in the platform's name by a process",
            field="source",
            hint="name a user task with `modelyard:authority`",
        )


def authorities(process: Process) -> frozenset[str]:
    """The tasks in whose doers' names something is done."""
    return frozenset(
        str(task.extensions["authority"]) for task in tasks_of(process.body, TaskKind.SERVICE) if "authority" in task.extensions
    )


def _check_forms(process: Process, schemas: Mapping[str, Any]) -> None:
    for name, schema in schemas.items():
        forms.check(schema, f"forms.{name}")
    for task in tasks_of(process.body, TaskKind.USER, TaskKind.MANUAL):
        check_task(task, schemas)


def tasks_of(scope: Scope, *kinds: TaskKind) -> list[Task]:
    """Every task of those kinds, those of sub-processes included."""
    found: list[Task] = []
    for node in scope.nodes.values():
        if isinstance(node, SubProcess):
            found += tasks_of(node.body, *kinds)
        elif isinstance(node, Task) and node.kind in kinds:
            found.append(node)
    return found


def _play(definitions: bpmn.Definitions, key: str, text: str) -> testing.Report:
    try:
        report = testing.run(definitions, testing.parse(text, "scenarios", loads=yaml.safe_load))
    except (bpmn.BpmnError, yaml.YAMLError, ValueError) as error:
        raise InvalidInput(f"the scenarios cannot be played: {error}", field="scenarios") from error
    if not report.passed:
        failed = [line for line in report.lines if not line.startswith("passed")]
        raise InvalidInput("; ".join(failed[:10]), field="scenarios", hint="`modelyard lifecycle test FILE` shows them all")
    return report


# --- ready to run ---------------------------------------------------------------------------------------------------------------

_ready: OrderedDict[tuple[str, str], bpmn.CompiledProcess] = OrderedDict()
_turn = Lock()


def compiled(tx: Transaction, organisation: str, source: str, key: str) -> bpmn.CompiledProcess:
    """The process of a kept file, ready to run. Files never change, so it is kept for the process's life."""
    wanted = (source, key)
    with _turn:
        if wanted in _ready:
            _ready.move_to_end(wanted)
            return _ready[wanted]
    made = _compile(_read(text_of(tx, organisation, source)), key)
    with _turn:
        _ready[wanted] = made
        while len(_ready) > KEPT_COMPILED:
            _ready.popitem(last=False)
    return made


def text_of(tx: Transaction, organisation: str, source: str) -> str:
    """A kept file's text. Raises NotFound."""
    kept = first(tx, SOURCES, equals("organisation", organisation), equals("digest_of_source", source))
    if kept is None:
        raise NotFound(f"no process file {source}", field="source")
    return kept.text


def published(tx: Transaction, organisation: str, key: str) -> ProcessDefinition:
    """The version in force. Raises NotFound."""
    found = in_force(tx, organisation, key)
    if found is None:
        raise NotFound(
            f"there is no published life cycle {key!r}", field="process", hint="`modelyard lifecycle list` shows what there is"
        )
    return found


def in_force(tx: Transaction, organisation: str, key: str) -> ProcessDefinition | None:
    where = (equals("organisation", organisation), equals("key", key), equals("status", DefinitionStatus.PUBLISHED))
    items = tx.find(DEFINITIONS, Query(where=where, sort="number", descending=True, limit=1)).items
    return items[0] if items else None


def numbered(tx: Transaction, organisation: str, key: str, number: int) -> ProcessDefinition:
    """The version of that number. Raises NotFound."""
    found = first(tx, DEFINITIONS, equals("organisation", organisation), equals("key", key), equals("number", number))
    if found is None:
        raise NotFound(f"life cycle {key!r} has no version {number}", field="number")
    return found
