"""Rating a use case by a DMN decision: pure. The decision `Risk tier` takes the inputs and gives the outputs of FIELDS, by their
names with spaces: `EU class`, `inherent rating`, `validation months`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, get_args

from pydantic import ValidationError

from modelyard import dmn
from modelyard.core.errors import InvalidInput
from modelyard.governance.assurance.decisions import answer
from modelyard.governance.risk.model import RiskInputs, RiskOutputs

DECISION = "Risk tier"
LONGEST_REASON = 500


def rate(source: str, inputs: RiskInputs) -> RiskOutputs:
    """What a rule makes of a use case. Raises InvalidInput when it gives no complete rating."""
    found = answer(source, DECISION, told(inputs))
    value = found.value if isinstance(found.value, Mapping) else {}
    outputs = {name: value.get(_spaced(name)) for name in RiskOutputs.model_fields}
    try:
        rated = RiskOutputs.model_validate(outputs)
    except ValidationError as error:
        fault = error.errors()[0]
        why = "; ".join(found.problems) or f"{_spaced(str(fault['loc'][0]))}: {fault['msg']}"
        raise _unrated(why) from error
    if found.problems:
        raise _unrated("; ".join(found.problems))
    return rated


def told(inputs: RiskInputs) -> dict[str, Any]:
    """The inputs as the decision knows them."""
    plain = inputs.model_dump(mode="json")
    return {_spaced(name): value.replace("_", " ") if name == "autonomy" else value for name, value in plain.items()}


def unusable(source: str, model: dmn.Model) -> list[str]:
    """Why a model cannot be the rule, as sentences; empty when it can. It is tried on the ends of every scale."""
    decisions = {decision.name: decision for decision in model.decisions}
    if DECISION not in decisions:
        return [f"it has no decision {DECISION!r}"]
    known = {_spaced(name) for name in RiskInputs.model_fields}
    strangers = [given.name for given in decisions[DECISION].inputs if given.name not in known]
    if strangers:
        return [f"decision {DECISION!r} asks for {name!r}, which nobody gives it" for name in strangers]
    for case in _cases():
        try:
            rated = rate(source, case)
        except InvalidInput as error:
            return [f"{error.detail} where {_short(case)}"]
        if case.eu_class == "prohibited" and rated.permitted:
            return ["it permits what the EU AI Act prohibits"]
    return []


def _cases() -> Iterator[RiskInputs]:
    """Ends of each scale, in pairs with the EU class: few enough to try at adoption, enough to meet a gap in a chained table."""
    classes = get_args(RiskInputs.model_fields["eu_class"].annotation)
    for low, class_ in product((True, False), classes):
        yield _case(low, class_)
    for name, field in RiskInputs.model_fields.items():
        for value in _values(name, field.annotation):
            for low in (True, False):
                yield _case(low, "minimal").model_copy(update={name: value})


def _values(name: str, annotation: Any) -> tuple[Any, ...]:
    if name == "autonomy":
        return tuple(annotation)
    if annotation is bool:
        return (True, False)
    return get_args(annotation) if get_args(annotation) and isinstance(get_args(annotation)[0], str) else (0, 1_000_000_000)


def _case(low: bool, class_: str) -> RiskInputs:
    values: dict[str, Any] = {}
    for name, field in RiskInputs.model_fields.items():
        choices = _values(name, field.annotation)
        values[name] = (choices[0] if low else choices[-1]) if field.annotation is not bool else not low
    return RiskInputs.model_validate(values | {"eu_class": class_})


def _short(case: RiskInputs) -> str:
    return ", ".join(f"{_spaced(name)} is {value}" for name, value in case.model_dump(mode="json").items())[:LONGEST_REASON]


def _spaced(name: str) -> str:
    return "EU class" if name == "eu_class" else name.replace("_", " ")


def _unrated(why: str) -> InvalidInput:
    return InvalidInput(
        f"the rule gives no complete rating: {why[:LONGEST_REASON]}",
        field="inputs",
        hint="adopt a successor of risk-tier that covers this case",
    )
