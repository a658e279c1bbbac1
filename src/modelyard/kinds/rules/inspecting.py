"""From files to an `Inspection`: what a decision model says of itself, and what a reviewer should know. Nothing is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modelyard.core.errors import InvalidArtifact, TooLarge
from modelyard.dmn import analysis
from modelyard.dmn.engine import Model, Source, load
from modelyard.dmn.errors import DmnError, InvalidModel, LimitExceeded
from modelyard.dmn.model import Definitions, FunctionDefinition, FunctionKind
from modelyard.dmn.run import Limits
from modelyard.dmn.run import Severity as DmnSeverity
from modelyard.kinds.contract import DECLARES_SIGNATURE, Inspection, Policy, Risk, Severity
from modelyard.kinds.rules import answers, artifact, inputs
from modelyard.kinds.rules.fields import check_names, leaves
from modelyard.kinds.signature import Signature

FORMAT = "dmn"
_MOST_PROBLEMS = 5
_MOST_RISKS = 50
LIMITS = Limits(steps=2_000_000, list_size=500_000, text_length=5_000_000, regex_seconds=0.2)
"""Of one answer: a decision about one row that takes longer holds up the runtime, and is not one that people can follow."""
_LIMITS = analysis.AnalysisLimits(findings=10, work=300_000)


def inspect(path: Path, policy: Policy) -> Inspection:
    """What can be said of a DMN artifact. Raises UnknownFormat, InvalidArtifact with file, element and line, or TooLarge."""
    contents = artifact.read(path, policy)
    model = compiled(contents)
    try:
        return Inspection(
            kind="rules",
            format=FORMAT,
            signature=signature_of(model),
            risks=tuple(_risks(model)),
            facts={DECLARES_SIGNATURE: True} | _facts(model, contents),
        )
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise InvalidArtifact(f"what the model says of itself cannot be recorded: {first}", field="artifact") from error


def compiled(contents: artifact.Contents) -> Model:
    """The model, strictly. Raises InvalidArtifact that names file, element and line, TooLarge when a limit is reached."""
    try:
        return load(*(Source(file.name, file.data) for file in contents.models), limits=LIMITS)
    except LimitExceeded as error:
        raise TooLarge(str(error), field="artifact") from error
    except InvalidModel as error:
        told = [str(problem) for problem in error.problems[:_MOST_PROBLEMS]] or [str(error)]
        more = len(error.problems) - _MOST_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        raise InvalidArtifact("; ".join(told) + rest, field="artifact", hint="modelyard dmn check FILE tells all") from error
    except DmnError as error:
        raise InvalidArtifact(str(error), field="artifact", hint="modelyard dmn check FILE tells all") from error


def signature_of(model: Model) -> Signature | None:
    """Inputs of all decisions that answer, and their answers. None for a model without inputs: then a sample must tell rows."""
    found = answers.natural(model)
    wanted = {answer.decision for answer in found}
    columns = [leaf for info, type_ in inputs.needed(model, wanted) for leaf in leaves(info.name, type_)]
    if not columns:
        return None
    check_names(columns, "inputs")
    return Signature(inputs=tuple(leaf.spec() for leaf in columns), outputs=tuple(answer.spec for answer in found))


def _facts(model: Model, contents: artifact.Contents) -> dict[str, Any]:
    return {
        "name": model.name,
        "namespace": model.namespace,
        "dmn": model.definitions[0].version,
        "files": [file.name for file in contents.models],
        "examples": [file.name for file in contents.examples],
        "inputs": {info.name: str(info.type) for info in model.inputs},
        "decisions": {info.name: str(info.type) for info in model.decisions},
        "services": [info.name for info in model.services],
        "tables": [{"owner": t.owner, "hit_policy": t.table.hit_policy.value, "rules": len(t.table.rules)} for t in model.tables],
    }


def _risks(model: Model) -> Iterator[Risk]:
    for definitions in model.definitions:
        for name, kind in _external(definitions):
            detail = f"{name} calls a function in {kind.value}, which is never called: it gives null"
            yield Risk(code="external_function", severity=Severity.WARNING, detail=detail)
    findings = [f for f in analysis.analyse(model, _LIMITS) if f.severity is not DmnSeverity.INFO]
    for finding in findings[:_MOST_RISKS]:
        yield Risk(
            code=f"table_{finding.code.value.replace('-', '_')}", severity=Severity.WARNING, detail=analysis.describe(finding)
        )
    if len(findings) > _MOST_RISKS:
        detail = f"{len(findings) - _MOST_RISKS} more findings about tables: modelyard dmn check"
        yield Risk(code="table_findings", severity=Severity.WARNING, detail=detail)


def _external(definitions: Definitions) -> Iterator[tuple[str, FunctionKind]]:
    """Functions in other languages, by the names of the elements they stand in."""
    for knowledge in definitions.knowledge:
        yield from ((knowledge.name, kind) for kind in _kinds_in(knowledge.function))
    for decision in definitions.decisions:
        yield from ((decision.name, kind) for kind in _kinds_in(decision.expression))


def _kinds_in(node: object) -> Iterator[FunctionKind]:
    """The languages of all function definitions below an element that are not FEEL."""
    if isinstance(node, FunctionDefinition) and node.kind is not FunctionKind.FEEL:
        yield node.kind
    if isinstance(node, tuple):
        for item in node:
            yield from _kinds_in(item)
    elif hasattr(node, "__dataclass_fields__"):
        for name in node.__dataclass_fields__:
            if name != "place":
                yield from _kinds_in(getattr(node, name))
