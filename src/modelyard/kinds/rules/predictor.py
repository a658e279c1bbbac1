"""A loaded decision model: rows in, answers out; explained by the rules that fired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.core.errors import InvalidInput
from modelyard.dmn.engine import CompiledDecision, InputInfo, Model, Result
from modelyard.dmn.errors import DmnError
from modelyard.dmn.feel.values import Value
from modelyard.kinds.contract import Batch, Explanation
from modelyard.kinds.rules import answers, cells, explaining, hits
from modelyard.kinds.rules.artifact import File
from modelyard.kinds.rules.cells import Reader
from modelyard.kinds.rules.fields import Leaf, leaves
from modelyard.kinds.signature import FieldSpec, Signature

Row = dict[str, Any]


class RulesPredictor:
    """Safe to call from several threads: the model is immutable, and an evaluation keeps its state to itself."""

    def __init__(self, model: Model, signature: Signature, examples: Sequence[File] = ()) -> None:
        found = answers.declared(model, signature.outputs) if signature.outputs else answers.natural(model)
        self.model, self.answers, self.examples = model, found, tuple(examples)
        self.signature = signature if signature.outputs else signature.model_copy(
            update={"outputs": tuple(answer.spec for answer in found)}
        )  # fmt: skip
        self.decisions = {name: model.decision(name) for name in dict.fromkeys(answer.decision for answer in found)}
        self._inputs = tuple(Input(info, signature) for info in _needed(model, self.decisions))

    def predict(self, batch: Batch) -> Batch:
        """Answers for every row. Raises InvalidInput naming field and row. A nullable field that is missing is null."""
        return self.answer(cells.conformed(batch, self.signature.inputs))

    def answer(self, conformed: Batch) -> Batch:
        """Answers for a batch that already fits the signature."""
        values: dict[str, list[Value]] = {name: [] for name in self.decisions}
        for number, row in enumerate(self.rows(conformed)):
            for name, decision in self.decisions.items():
                values[name].append(evaluated(decision, row, number).value)
        return {a.spec.name: cells.written([entry(v, a.path) for v in values[a.decision]], a.spec) for a in self.answers}

    def traced(self, batch: Batch) -> Iterator[tuple[Row, list[Result]]]:
        """Each row with the results of its decisions and their traces."""
        for number, row in enumerate(self.rows(cells.conformed(batch, self.signature.inputs))):
            yield row, [evaluated(decision, row, number, trace=True) for decision in self.decisions.values()]

    def rows(self, conformed: Batch) -> Iterator[Row]:
        """The rows of a batch as the model takes them."""
        names = [each.name for each in self._inputs]
        columns = [each.values(conformed) for each in self._inputs]
        if not columns:
            return iter([{} for _ in range(len(next(iter(conformed.values()))))])
        return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))

    def fields(self) -> Iterator[tuple[Leaf, str]]:
        """The model's own columns, with the names of their fields."""
        for each in self._inputs:
            for leaf, spec, _ in each.parts:
                yield leaf, spec.name

    def explain(self, batch: Batch, background: Batch | None = None) -> Sequence[Explanation]:
        """The rules that fired, row by row. There is nothing to compare with, so `background` is not looked at."""
        return explaining.explain(self, batch)

    def observe(self, batch: Batch) -> Batch:
        """Which rule of each table fired, row by row; see `hits`."""
        return hits.observed(self, batch)


class Input:
    """One input of the model, gathered from its columns."""

    def __init__(self, info: InputInfo, signature: Signature) -> None:
        self.name = info.name
        known = {field.name: field for field in signature.inputs}
        self.parts: list[tuple[Leaf, FieldSpec, Reader]] = []
        for leaf in leaves(info.name, info.type):
            if leaf.name not in known:
                raise InvalidInput(
                    f"the model takes {leaf.name!r}, which the signature lacks",
                    field="signature.inputs",
                    hint=f"the signature has: {', '.join(known)}",
                )
            self.parts.append((leaf, known[leaf.name], cells.reader(leaf, known[leaf.name])))

    def values(self, batch: Batch) -> list[Value]:
        """The input's value in every row. A context of which every entry is null is null."""
        columns = [cells.column(batch[spec.name], read, spec) for _, spec, read in self.parts]
        paths = [leaf.path for leaf, _, _ in self.parts]
        if paths == [()]:
            return columns[0]
        return [_context(paths, row) for row in zip(*columns, strict=True)]


def _context(paths: Sequence[tuple[str, ...]], values: Sequence[Value]) -> Value:
    if all(value is None for value in values):
        return None
    whole: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=True):
        place = whole
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return whole


def _needed(model: Model, decisions: dict[str, CompiledDecision]) -> list[InputInfo]:
    found: dict[str, InputInfo] = {}
    for decision in model.decisions:
        if decision.name in decisions:
            found |= {info.name: info for info in decision.inputs}
    return list(found.values())


def evaluated(decision: CompiledDecision, row: Row, number: int, *, trace: bool = False) -> Result:
    """A decision on one row. Raises InvalidInput naming the row when it was given up."""
    try:
        return decision.evaluate(row, trace=trace)
    except DmnError as error:
        raise InvalidInput(f"row {number}: {error}") from error


def entry(value: Value, path: tuple[str, ...]) -> Value:
    """An entry of a decision's value; null where there is none."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value
