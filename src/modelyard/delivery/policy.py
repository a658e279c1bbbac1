"""What must hold of an endpoint's policy before it is signed: rules that can be read, names that exist, limits that fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from modelyard.core.errors import InvalidInput, ModelyardError
from modelyard.delivery.model import LIVE, Endpoint
from modelyard.dmn import DmnError, Expression
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.names import NameScope
from modelyard.dmn.feel.parser import parse_expression
from modelyard.dmn.feel.types import ANY, BOOLEAN, NUMBER, STRING, AnyType
from modelyard.dmn.run import DEFAULT_LIMITS
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.trust.statements import EndpointPolicy, OnUnlogged, Protection, RoutingRule

ROLE = "role:"
_VALUES = (
    syntax.Arithmetic,
    syntax.Negation,
    syntax.Number,
    syntax.String,
    syntax.ListOf,
    syntax.ContextOf,
    syntax.RangeOf,
)
_LITERALS: dict[type, AnyType] = {syntax.Number: NUMBER, syntax.String: STRING, syntax.Boolean: BOOLEAN}
_CALLED: dict[AnyType, str] = {NUMBER: "a number", STRING: "text", BOOLEAN: "true or false"}


def require_policy(policy: EndpointPolicy, signature: Signature | None) -> None:
    """Raises InvalidInput naming the field. `signature` is the champion's; without one, rules are only read."""
    _require_limits(policy)
    for number, rule in enumerate(policy.rules):
        _require_rule(rule, f"rules[{number}].when", signature)
    if signature is None:
        return
    taken = [spec.name for spec in signature.inputs]
    if policy.sticky_by is not None and policy.sticky_by not in taken:
        raise _unknown(policy.sticky_by, "sticky_by", taken)
    named = [*taken, *(spec.name for spec in signature.outputs)]
    for name in policy.protect:
        if not name.startswith(ROLE) and name not in named:
            raise _unknown(name, f"protect.{name}", named)


def require_arms(endpoint: Endpoint) -> None:
    """Raises InvalidInput for a rule that names no live arm. Asked when rules are set: an arm that leaves lets them rest."""
    live = [arm.name for arm in endpoint.arms if arm.role in LIVE]
    for number, rule in enumerate(endpoint.policy.rules):
        if rule.arm not in live:
            raise InvalidInput(
                f"endpoint {endpoint.name} has no live arm {rule.arm!r}",
                field=f"rules[{number}].arm",
                hint=f"it has: {', '.join(live)}" if live else "deploy it first",
            )


def weakens(before: EndpointPolicy, after: EndpointPolicy, signature: Signature | None, tier: str) -> bool:
    """Whether the log would show more of anything, or decisions of a tier that demands the log could be made without it."""
    if tier != "low" and (before.unlogged, after.unlogged) == (OnUnlogged.REFUSE, OnUnlogged.ANSWER):
        return True
    if any(_said(after, name).strength < _said(before, name).strength for name in {*before.protect, *after.protect}):
        return True
    if signature is not None:
        pairs = [(spec.name, spec.role.value) for spec in (*signature.inputs, *signature.outputs)]
        return any(after.protection(*pair).strength < before.protection(*pair).strength for pair in pairs)
    # Nobody can say which role a field has: what is new about a field must not be less than any role's.
    least = max((p.strength for name, p in before.protect.items() if name.startswith(ROLE)), default=0)
    return any(
        p.strength < least for name, p in after.protect.items() if name not in before.protect and not name.startswith(ROLE)
    )


def _said(policy: EndpointPolicy, name: str) -> Protection:
    return policy.protect.get(name, Protection.KEEP)


def _require_limits(policy: EndpointPolicy) -> None:
    if policy.queue is not None and policy.concurrency is None:
        raise InvalidInput("nobody waits where as many as come are answered at once", field="queue", hint="set concurrency too")
    if policy.timeout is not None and policy.latency_target is not None and policy.latency_target >= policy.timeout:
        raise InvalidInput(
            f"rows could wait {policy.latency_target:g} s to be answered together, and time out after {policy.timeout:g} s",
            field="latency_target",
            hint="make it much shorter than the timeout",
        )
    known = [role.value for role in Role]
    for name in policy.protect:
        if name.startswith(ROLE) and name.removeprefix(ROLE) not in known:
            raise InvalidInput(
                f"fields have no role {name.removeprefix(ROLE)!r}", field=f"protect.{name}", hint=f"roles: {', '.join(known)}"
            )


def _require_rule(rule: RoutingRule, field: str, signature: Signature | None) -> None:
    try:
        problems = _problems(rule.when, signature)
    except DmnError as error:
        raise InvalidInput(f"rule {rule.when!r:.100} cannot be read: {error}", field=field, hint="write it in FEEL") from error
    if problems:
        known = ", ".join(spec.name for spec in signature.inputs)[:500] if signature else ""
        raise InvalidInput(
            f"rule {rule.when!r:.100}: {'; '.join(problems)}",
            field=field,
            hint=f"the champion takes: {known}" if known else None,
        )


def _problems(text: str, signature: Signature | None) -> list[str]:
    specs = {spec.name: spec for spec in signature.inputs} if signature else {}
    names = NameScope(dict.fromkeys(specs, ANY))
    parsed = parse_expression(text, names, DEFAULT_LIMITS)
    if isinstance(parsed, _VALUES):
        return ["it is a value, not a condition"]
    if signature is None:
        return []
    return [*Expression(text).problems(tuple(specs)), *_mismatches(parsed, specs)]


def _mismatches(node: Any, specs: dict[str, FieldSpec]) -> Iterator[str]:
    """Comparisons of an input with a literal of another type: they never hold."""
    if isinstance(node, syntax.Comparison):
        left, right = _type(node.left, specs), _type(node.right, specs)
        if left is not None and right is not None and left != right:
            yield f"it compares {_CALLED[left]} with {_CALLED[right]}"
    if is_dataclass(node):
        for part in fields(node):
            yield from _mismatches(getattr(node, part.name), specs)
    elif isinstance(node, tuple):
        for part in node:
            yield from _mismatches(part, specs)


def _type(node: Any, specs: dict[str, FieldSpec]) -> AnyType | None:
    if isinstance(node, syntax.Name) and node.name in specs and not specs[node.name].shape:
        return _of(specs[node.name].type)
    return _LITERALS.get(type(node))


def _of(type_: DataType) -> AnyType:
    return {DataType.BYTES: STRING, DataType.BOOL: BOOLEAN}.get(type_, NUMBER)


def _unknown(name: str, field: str, known: list[str]) -> ModelyardError:
    return InvalidInput(f"the champion has no field {name!r}", field=field, hint=f"it has: {', '.join(known)[:500]}")
