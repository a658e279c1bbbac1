"""Boxed expressions and decision tables as the file writes them (DMN 1.5, 7.3, 8.3 and 10.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from modelyard.dmn import model
from modelyard.dmn.model import Place
from modelyard.dmn.xml.context import Reading, normalised
from modelyard.dmn.xml.tree import Node

_HIT_POLICIES = frozenset(policy.value for policy in model.HitPolicy)
_AGGREGATIONS = frozenset(aggregation.value for aggregation in model.Aggregation)
_FUNCTION_KINDS = frozenset(kind.value for kind in model.FunctionKind)


class Common(TypedDict):
    """What every element has."""

    id: str | None
    name: str
    label: str
    description: str
    type_ref: str | None
    place: Place


def common(node: Node, reading: Reading, above: Place | None = None) -> Common:
    """The arguments of `model.Element`."""
    description = node.one("description")
    return Common(
        id=node.attributes.get("id"),
        name=normalised(node.attributes.get("name", "")),
        label=node.attributes.get("label", ""),
        description=description.text.strip() if description else "",
        type_ref=reading.type_ref(node, node.attributes.get("typeRef")),
        place=reading.place(node, above),
    )


def named(node: Node, reading: Reading, above: Place | None = None) -> model.Element:
    """An information item (7.3.4): a parameter, a column."""
    reading.name(node, above.element if above else None)
    return model.Element(**common(node, reading, above))


def expression_in(node: Node, reading: Reading, above: Place) -> model.Expression | None:
    """The expression among an element's children; None when there is none."""
    found = [child for child in node.children if child.tag in _READERS]
    if len(found) > 1:
        reading.problem(found[1], f"<{node.tag}> has more than one expression", above.element)
    return expression(found[0], reading, above) if found else None


def expression(node: Node, reading: Reading, above: Place) -> model.Expression:
    return _READERS[node.tag](node, reading, above)


def _child_expression(node: Node, tag: str, reading: Reading, above: Place) -> model.Expression | None:
    child = node.one(tag)
    if child is None:
        reading.problem(node, f"<{node.tag}> has no <{tag}>", above.element)
        return None
    return expression_in(child, reading, reading.place(child, above))


def literal(node: Node, reading: Reading, above: Place) -> model.LiteralExpression:
    if node.one("importedValues") is not None:
        reading.problem(node, "imported values are not supported", above.element)
    text = node.one("text")
    language = reading.foreign_language(node.attributes.get("expressionLanguage"))
    return model.LiteralExpression(**common(node, reading, above), text=text.text if text else None, language=language)


def unary_tests(node: Node | None, reading: Reading, above: Place) -> model.UnaryTests | None:
    if node is None:
        return None
    text = node.one("text")
    language = reading.foreign_language(node.attributes.get("expressionLanguage"))
    return model.UnaryTests(**common(node, reading, above), text=text.text if text else None, language=language)


def _table(node: Node, reading: Reading, above: Place) -> model.DecisionTable:
    base = common(node, reading, above)
    place = base["place"]
    inputs = tuple(_input(child, reading, place) for child in node.all("input"))
    outputs = tuple(_output(child, reading, place) for child in node.all("output"))
    _check_outputs(node, outputs, reading, place)
    return model.DecisionTable(
        **base,
        inputs=inputs,
        outputs=outputs,
        annotations=tuple(normalised(child.attributes.get("name", "")) for child in node.all("annotation")),
        rules=tuple(_rule(child, len(inputs), len(outputs), reading, place) for child in node.all("rule")),
        hit_policy=_hit_policy(node, reading, place),
        aggregation=_aggregation(node, reading, place),
        output_label=node.attributes.get("outputLabel", ""),
    )


def _check_outputs(node: Node, outputs: tuple[model.OutputClause, ...], reading: Reading, place: Place) -> None:
    names = [output.name for output in outputs]
    if not outputs:
        reading.problem(node, "the decision table has no output", place.element)
    elif len(outputs) > 1 and "" in names:
        reading.problem(node, "an output of a decision table with several outputs has no name", place.element)
    elif len(set(names)) < len(names):
        reading.problem(node, "two outputs of the decision table have the same name", place.element)


def _hit_policy(node: Node, reading: Reading, place: Place) -> model.HitPolicy:
    written = normalised(node.attributes.get("hitPolicy", "UNIQUE"))
    if written in _HIT_POLICIES:
        return model.HitPolicy(written)
    reading.problem(node, f"the hit policy {written!r} is not known", place.element)
    return model.HitPolicy.UNIQUE


def _aggregation(node: Node, reading: Reading, place: Place) -> model.Aggregation | None:
    written = node.attributes.get("aggregation", "").strip()
    if written in _AGGREGATIONS:
        return model.Aggregation(written)
    if written:
        reading.problem(node, f"the aggregation {written!r} is not known", place.element)
    return None


def _input(node: Node, reading: Reading, above: Place) -> model.InputClause:
    base = common(node, reading, above)
    written = node.one("inputExpression")
    if written is None:
        reading.problem(node, "an input of the decision table has no <inputExpression>", base["place"].element)
        found = model.LiteralExpression(place=base["place"])
    else:
        found = literal(written, reading, base["place"])
    return model.InputClause(**base, expression=found, values=unary_tests(node.one("inputValues"), reading, base["place"]))


def _output(node: Node, reading: Reading, above: Place) -> model.OutputClause:
    base = common(node, reading, above)
    default = node.one("defaultOutputEntry")
    return model.OutputClause(
        **base,
        values=unary_tests(node.one("outputValues"), reading, base["place"]),
        default=literal(default, reading, base["place"]) if default else None,
    )


def _rule(node: Node, inputs: int, outputs: int, reading: Reading, above: Place) -> model.Rule:
    base = common(node, reading, above)
    tested, given = node.all("inputEntry"), node.all("outputEntry")
    for found, wanted, tag in ((tested, inputs, "inputEntry"), (given, outputs, "outputEntry")):
        if len(found) != wanted:
            columns = "inputs" if tag == "inputEntry" else "outputs"
            reading.problem(node, f"a rule has {len(found)} <{tag}>, the table has {wanted} {columns}", base["place"].element)
    return model.Rule(
        **base,
        inputs=tuple(tests for entry in tested if (tests := unary_tests(entry, reading, base["place"]))),
        outputs=tuple(literal(entry, reading, base["place"]) for entry in given),
        annotations=tuple(_text_of(entry) for entry in node.all("annotationEntry")),
    )


def _text_of(node: Node) -> str:
    text = node.one("text")
    return text.text.strip() if text else ""


def _context(node: Node, reading: Reading, above: Place) -> model.Context:
    base = common(node, reading, above)
    return model.Context(**base, entries=tuple(_entry(child, reading, base["place"]) for child in node.all("contextEntry")))


def _entry(node: Node, reading: Reading, above: Place) -> model.ContextEntry:
    base = common(node, reading, above)
    variable = node.one("variable")
    if variable is not None:
        item = named(variable, reading, base["place"])
        base["name"], base["type_ref"] = item.name, item.type_ref
    return model.ContextEntry(**base, value=expression_in(node, reading, base["place"]))


def _relation(node: Node, reading: Reading, above: Place) -> model.Relation:
    base = common(node, reading, above)
    columns = tuple(named(child, reading, base["place"]) for child in node.all("column"))
    rows = tuple(_items(row, reading, base["place"]) for row in node.all("row"))
    for row, made in zip(node.all("row"), rows, strict=True):
        if len(made) != len(columns):
            reading.problem(row, f"a row has {len(made)} values, the relation has {len(columns)} columns", base["place"].element)
    return model.Relation(**base, columns=columns, rows=rows)


def _items(node: Node, reading: Reading, above: Place) -> tuple[model.Expression | None, ...]:
    return tuple(expression(child, reading, above) for child in node.children if child.tag in _READERS)


def _list(node: Node, reading: Reading, above: Place) -> model.ListExpression:
    base = common(node, reading, above)
    return model.ListExpression(**base, items=_items(node, reading, base["place"]))


def function(node: Node, reading: Reading, above: Place) -> model.FunctionDefinition:
    base = common(node, reading, above)
    kind = node.attributes.get("kind", "FEEL").strip()
    if kind not in _FUNCTION_KINDS:
        reading.problem(node, f"the kind of function {kind!r} is not known", base["place"].element)
        kind = "FEEL"
    return model.FunctionDefinition(
        **base,
        parameters=tuple(named(child, reading, base["place"]) for child in node.all("formalParameter")),
        body=expression_in(node, reading, base["place"]),
        kind=model.FunctionKind(kind),
    )


def _invocation(node: Node, reading: Reading, above: Place) -> model.Invocation:
    base = common(node, reading, above)
    bindings = tuple(made for child in node.all("binding") if (made := _binding(child, reading, base["place"])))
    return model.Invocation(**base, function=expression_in(node, reading, base["place"]), bindings=bindings)


def _binding(node: Node, reading: Reading, above: Place) -> tuple[model.Element, model.Expression | None] | None:
    parameter = node.one("parameter")
    if parameter is None:
        reading.problem(node, "a binding has no <parameter>", above.element)
        return None
    return named(parameter, reading, above), expression_in(node, reading, above)


def _conditional(node: Node, reading: Reading, above: Place) -> model.Conditional:
    base = common(node, reading, above)
    condition, then, otherwise = (_child_expression(node, tag, reading, base["place"]) for tag in ("if", "then", "else"))
    return model.Conditional(**base, condition=condition, then=then, otherwise=otherwise)


def _filter(node: Node, reading: Reading, above: Place) -> model.FilterExpression:
    base = common(node, reading, above)
    source, match = (_child_expression(node, tag, reading, base["place"]) for tag in ("in", "match"))
    return model.FilterExpression(**base, source=source, match=match)


def _iterator(node: Node, reading: Reading, above: Place) -> model.Iterator:
    base = common(node, reading, above)
    within = node.one("in")
    return model.Iterator(
        **base,
        kind=model.IteratorKind(node.tag),
        variable=normalised(reading.required(node, "iteratorVariable", base["place"].element)),
        source=_child_expression(node, "in", reading, base["place"]),
        source_type=reading.type_ref(within, within.attributes.get("typeRef")) if within else None,
        body=_child_expression(node, "return" if node.tag == "for" else "satisfies", reading, base["place"]),
    )


_READERS: dict[str, Callable[[Node, Reading, Place], model.Expression]] = {
    "literalExpression": literal,
    "decisionTable": _table,
    "context": _context,
    "relation": _relation,
    "list": _list,
    "functionDefinition": function,
    "invocation": _invocation,
    "conditional": _conditional,
    "filter": _filter,
    "for": _iterator,
    "some": _iterator,
    "every": _iterator,
}
