"""What a decision model takes, with the types that its tables tell where the inputs themselves are silent.

Modellers often leave input data without a type and give it to the columns that ask them.
"""

from __future__ import annotations

from collections.abc import Collection

from modelyard.dmn.engine import InputInfo, Model
from modelyard.dmn.feel.types import ANY, AnyType, base_of


def needed(model: Model, decisions: Collection[str]) -> list[tuple[InputInfo, AnyType]]:
    """The inputs of some decisions, in their order, each with its type."""
    found: dict[str, InputInfo] = {}
    for decision in model.decisions:
        if decision.name in decisions:
            found |= {info.name: info for info in decision.inputs}
    return [(info, _type(model, info)) for info in found.values()]


def _type(model: Model, info: InputInfo) -> AnyType:
    """The input's own type; else that of the columns that ask for the input itself, if they agree."""
    if base_of(info.type) != ANY:
        return info.type
    owners = {decision.name for decision in model.decisions if info in decision.inputs}
    asked: list[AnyType] = []
    for table in model.tables:
        if table.owner in owners:
            for clause, type_ in zip(table.table.inputs, table.input_types, strict=True):
                if (clause.expression.text or "").strip() == info.name and base_of(type_) != ANY and type_ not in asked:
                    asked.append(type_)
    return asked[0] if len(asked) == 1 else info.type
