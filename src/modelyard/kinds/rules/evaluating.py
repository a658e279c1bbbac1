"""Rows of a batch through the decisions of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelyard.core.errors import InvalidInput
from modelyard.dmn.engine import CompiledDecision, InputInfo, Model, Result
from modelyard.dmn.errors import DmnError
from modelyard.dmn.feel.types import AnyType
from modelyard.dmn.feel.values import Value
from modelyard.kinds.contract import Batch
from modelyard.kinds.rules import cells, inputs
from modelyard.kinds.rules.cells import Reader
from modelyard.kinds.rules.fields import Leaf, leaves
from modelyard.kinds.signature import FieldSpec, Signature

Row = dict[str, Any]
"""Inputs by name, as the model takes them."""


class Evaluation:
    """Decisions of a model with the columns that they need. Immutable; threads may share it."""

    def __init__(self, model: Model, signature: Signature, decisions: Sequence[str]) -> None:
        self.model, self.signature = model, signature
        self.decisions = {name: model.decision(name) for name in decisions}
        self._inputs = tuple(Input(info, type_, signature) for info, type_ in inputs.needed(model, self.decisions))

    def values(self, conformed: Batch) -> dict[str, list[Value]]:
        """What each decision gives in each row. Raises InvalidInput naming field and row."""
        found: dict[str, list[Value]] = {name: [] for name in self.decisions}
        for number, row in enumerate(self.rows(conformed)):
            for name, decision in self.decisions.items():
                found[name].append(_evaluated(decision, row, number).value)
        return found

    def traced(self, batch: Batch) -> Iterator[tuple[Row, list[Result]]]:
        """Each row with the results of the decisions and their traces."""
        for number, row in enumerate(self.rows(cells.conformed(batch, self.signature.inputs))):
            yield row, [_evaluated(decision, row, number, trace=True) for decision in self.decisions.values()]

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


class Input:
    """One input of the model, gathered from its columns."""

    def __init__(self, info: InputInfo, type_: AnyType, signature: Signature) -> None:
        self.name = info.name
        known = {field.name: field for field in signature.inputs}
        self.parts: list[tuple[Leaf, FieldSpec, Reader]] = []
        for leaf in leaves(info.name, type_):
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


def _evaluated(decision: CompiledDecision, row: Row, number: int, *, trace: bool = False) -> Result:
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
