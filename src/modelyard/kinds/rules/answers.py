"""Which decisions answer, and as which fields: those that no other decision requires, or those that the signature's outputs name.

A decision's field has its name; of a decision that gives a context, each entry has one: `Offer.rate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelyard.core.errors import InvalidArtifact, InvalidInput
from modelyard.dmn.engine import DecisionInfo, Model
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.types import (
    ANY,
    BOOLEAN,
    NUMBER,
    STRING,
    AnyType,
    ContextType,
    FunctionType,
    ListType,
    base_of,
)
from modelyard.dmn.hit_policies import MULTIPLE
from modelyard.dmn.model import Aggregation
from modelyard.dmn.tables import TableInfo
from modelyard.kinds.rules.fields import Leaf, check_names, leaves
from modelyard.kinds.signature import FieldSpec, Role

_CONSTANTS = {syntax.String: STRING, syntax.Number: NUMBER, syntax.Boolean: BOOLEAN}


@dataclass(frozen=True)
class Answer:
    """One field of the answer: an entry of a decision's value."""

    decision: str
    path: tuple[str, ...]
    spec: FieldSpec


def natural(model: Model) -> tuple[Answer, ...]:
    """The answers of the decisions that no other decision requires. Raises InvalidArtifact when there is none."""
    required = {name for decision in model.decisions for name in decision.requires}
    final = [d for d in model.decisions if d.name not in required and not isinstance(base_of(d.type), FunctionType)]
    if not final:
        raise InvalidArtifact("no decision of the model gives an answer", field="artifact")
    found = [(leaf, tests) for decision in final for leaf, tests in _fields(model, decision)]
    check_names([leaf for leaf, _ in found], "answers")
    roles = _roles([leaf for leaf, _ in found])
    return tuple(Answer(leaf.root, leaf.path, leaf.spec(role, tests)) for (leaf, tests), role in zip(found, roles, strict=True))


def declared(model: Model, outputs: Sequence[FieldSpec]) -> tuple[Answer, ...]:
    """The answers that outputs name: `Decision`, or `Decision.entry`. Raises InvalidInput when the model has no such decision."""
    return tuple(_declared(model, spec) for spec in outputs)


def _declared(model: Model, spec: FieldSpec) -> Answer:
    if spec.shape:
        raise InvalidInput(f"output {spec.name!r} is a vector; rules answer single values", field="signature.outputs")
    for decision in sorted(model.decisions, key=lambda d: -len(d.name)):
        if spec.name == decision.name or spec.name.startswith(decision.name + "."):
            path = _path(model, decision, spec.name[len(decision.name) + 1 :])
            return Answer(decision.name, path, spec)
    known = ", ".join(d.name for d in model.decisions)
    raise InvalidInput(f"no decision is named {spec.name!r}", field="signature.outputs", hint=f"the model has: {known}")


def _path(model: Model, decision: DecisionInfo, rest: str) -> tuple[str, ...]:
    """The entries that a dotted name means: those of the type where it is known, for names may have dots in them."""
    if not rest:
        return ()
    known = {".".join(leaf.path): leaf.path for leaf, _ in _fields(model, decision)}
    return known.get(rest) or tuple(rest.split("."))


def _fields(model: Model, decision: DecisionInfo) -> Iterator[tuple[Leaf, syntax.UnaryTests | None]]:
    table = _table(model, decision)
    type_ = decision.type
    if base_of(type_) == ANY and table is not None:
        type_ = _table_type(table)
    for leaf in leaves(decision.name, type_):
        yield leaf, _allowed(table, leaf)


def _table(model: Model, decision: DecisionInfo) -> TableInfo | None:
    """The table that is the decision's whole logic."""
    for definitions in model.definitions:
        for element in definitions.decisions:
            if decision.id in (element.id, element.name):
                return next((t for t in model.tables if t.table is element.expression), None)
    return None


def _table_type(table: TableInfo) -> AnyType:
    """What a table gives whose decision does not say so (8.2.8): by its output columns and hit policy."""
    kinds = [_column_type(table, place) for place in range(len(table.output_types))]
    single: AnyType = kinds[0]
    if len(kinds) > 1:
        single = ContextType({clause.name: kind for clause, kind in zip(table.table.outputs, kinds, strict=True)})
    if table.table.hit_policy not in MULTIPLE:
        return single
    if table.table.aggregation in (Aggregation.SUM, Aggregation.COUNT):
        return NUMBER
    return single if table.table.aggregation is not None else ListType(single)


def _column_type(table: TableInfo, place: int) -> AnyType:
    """The column's own type, else that of its constants."""
    if base_of(table.output_types[place]) != ANY:
        return table.output_types[place]
    found = {_CONSTANTS.get(type(rule[place]), ANY) for rule in table.outputs if rule[place] is not None}
    return found.pop() if len(found) == 1 else ANY


def _allowed(table: TableInfo | None, leaf: Leaf) -> syntax.UnaryTests | None:
    """The values that a column of the table lists, or else the texts that are all its rules can give."""
    if table is None or table.table.hit_policy in MULTIPLE or len(leaf.path) > 1:
        return None
    names = [clause.name for clause in table.table.outputs]
    single = len(names) == 1 and not leaf.path
    if not single and (len(names) == 1 or not leaf.path or leaf.path[0] not in names):
        return None
    place = 0 if single else names.index(leaf.path[0])
    if table.allowed_outputs[place] is not None:
        return table.allowed_outputs[place]
    given = [rule[place] for rule in table.outputs]
    texts = [value for value in given if isinstance(value, syntax.String)]
    if not texts or len(texts) < len(given) or table.table.outputs[place].default is not None:
        return None
    return syntax.UnaryTests(tuple(syntax.Matches(text) for text in dict.fromkeys(texts)))


def _roles(found: Sequence[Leaf]) -> list[Role]:
    """The first text is the label, or the first yes-or-no; without any the first number is the score. The others are neither."""
    roles = [Role.OTHER] * len(found)
    bases = [base_of(leaf.type) for leaf in found]
    for wanted, role in ((STRING, Role.LABEL), (BOOLEAN, Role.LABEL), (NUMBER, Role.SCORE), (ANY, Role.LABEL)):
        if wanted in bases:
            roles[bases.index(wanted)] = role
            break
    return roles
