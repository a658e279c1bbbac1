"""The test files of the DMN TCK (its testCases.xsd): reading them, and judging results as the kit's runners do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from modelyard.dmn.errors import DmnError, InvalidModel
from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.numbers import number
from modelyard.dmn.feel.semantics import same
from modelyard.dmn.feel.temporal import DateTime, Time
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Limits, Message
from modelyard.dmn.xml.tree import Node, parse

NAMESPACE = "http://www.omg.org/spec/DMN/20160719/testcase"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

_TOLERANCE = Decimal("1e-8")
"""The kit's runners compare numbers so, since some expected values were computed in binary floating point."""

CaseType = Literal["decision", "decisionService", "bkm"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a node should give. `error`: null because of an error."""

    name: str
    value: Value
    error: bool = False


@dataclass(frozen=True, slots=True)
class TestCase:
    """One call. `invocable` is the service or business knowledge model to call; a decision is named by each of the results."""

    __test__ = False  # it is not pytest's

    id: str
    name: str
    type: CaseType
    invocable: str | None
    inputs: dict[str, Value]
    results: tuple[Expected, ...]
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TestFile:
    """`model_name` is that of the file that is tested."""

    __test__ = False  # it is not pytest's

    model_name: str
    cases: tuple[TestCase, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One result of one case against what was expected. `failure` is the error when the call gave none."""

    case: TestCase
    expected: Expected
    actual: Value
    messages: tuple[Message, ...] = ()
    failure: DmnError | None = field(default=None, compare=False)

    @property
    def passed(self) -> bool:
        return self.failure is None and agrees(self.expected.value, self.actual)


class Answer(Protocol):
    """A model's result, as far as it is read here."""

    @property
    def value(self) -> Value: ...
    @property
    def messages(self) -> tuple[Message, ...]: ...


class Callee(Protocol):
    """A loaded model, as far as it is called here."""

    def evaluate(self, decision: str, data: Mapping[str, Value]) -> Answer: ...
    def evaluate_service(self, service: str, data: Mapping[str, Value]) -> Answer: ...
    def invoke(self, function: str, data: Mapping[str, Value]) -> Answer: ...


def read(source: bytes, file: str | None = None, limits: Limits = Limits()) -> TestFile:  # noqa: B008 - frozen
    """A test file. Raises InvalidModel for what is not one, LimitExceeded for what is too much."""
    root = parse(source, file, limits)
    if root.tag != "testCases" or root.namespace != NAMESPACE:
        raise InvalidModel(
            f"the document begins with <{root.tag[:60]}>, not with the <testCases> of the DMN TCK", file=file, line=root.line
        )
    model, labels = root.one("modelName"), root.one("labels")
    return TestFile(
        model.text.strip() if model else "",
        tuple(_case(node, index, file) for index, node in enumerate(root.all("testCase"), start=1)),
        tuple(label.text.strip() for label in labels.all("label")) if labels else (),
    )


def run(model: Callee, case: TestCase) -> tuple[Outcome, ...]:
    """Each result of a case. What the engine refuses to do is an outcome that did not pass, never an exception."""
    if case.type == "decision":
        return tuple(_outcome(case, expected, lambda name: model.evaluate(name, case.inputs)) for expected in case.results)
    invocable = case.invocable or ""
    call = model.evaluate_service if case.type == "decisionService" else model.invoke
    return tuple(_outcome(case, expected, lambda _: call(invocable, case.inputs)) for expected in case.results)


def _outcome(case: TestCase, expected: Expected, call: Callable[[str], Answer]) -> Outcome:
    try:
        answer = call(expected.name)
    except DmnError as error:
        return Outcome(case, expected, None, failure=error)
    value = answer.value
    if case.type == "decisionService" and isinstance(value, dict) and not agrees(expected.value, value):
        value = value.get(expected.name, value)  # one output of several
    return Outcome(case, expected, value, answer.messages)


def agrees(expected: Value, actual: Value) -> bool:
    """Whether a result is the expected one.

    Numbers may differ by 1e-8 of their size and by 1e-8 at most; times must show the same clock at the same offset; the order of
    a context's entries does not count."""
    if isinstance(expected, Decimal) and isinstance(actual, Decimal):
        return abs(expected - actual) <= _TOLERANCE * min(abs(expected), Decimal(1))
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(agrees, expected, actual))
    if isinstance(expected, dict):
        if not isinstance(actual, dict) or expected.keys() != actual.keys():
            return False
        return all(agrees(value, actual[name]) for name, value in expected.items())
    return same(expected, actual) and _clock(expected) == _clock(actual)


def _clock(value: Value) -> tuple[int, bool] | None:
    time = value.time if isinstance(value, DateTime) else value
    return (time.nanoseconds, time.is_local) if isinstance(time, Time) else None


def _case(node: Node, index: int, file: str | None) -> TestCase:
    id_ = node.attributes.get("id", str(index))
    type_ = node.attributes.get("type", "decision")
    if type_ not in {"decision", "decisionService", "bkm"}:
        raise InvalidModel(f"the type of test {type_[:40]!r} is not known", file=file, element=id_, line=node.line)
    invocable = node.attributes.get("invocableName")
    if type_ != "decision" and not invocable:
        raise InvalidModel(f"the test of a {type_} has no invocableName", file=file, element=id_, line=node.line)
    return TestCase(
        id_,
        node.attributes.get("name", ""),
        type_,  # type: ignore[arg-type]  # checked above
        invocable,
        {_name(child, file): _value(child, file) for child in node.all("inputNode")},
        tuple(_expected(child, file) for child in node.all("resultNode")),
        node.line,
    )


def _name(node: Node, file: str | None) -> str:
    name = node.attributes.get("name")
    if name is None:
        raise InvalidModel(f"<{node.tag}> has no name", file=file, line=node.line)
    return " ".join(name.split())


def _expected(node: Node, file: str | None) -> Expected:
    value = node.one("expected")
    error = node.attributes.get("errorResult", "false").strip() in {"true", "1"}
    return Expected(_name(node, file), _value(value, file) if value else None, error)


def _value(node: Node, file: str | None) -> Value:
    """The value of an element of the schema's valueType."""
    if _is_nil(node):
        return None
    simple, components, list_ = node.one("value"), node.all("component"), node.one("list")
    if simple is not None:
        return _simple(simple, file)
    if list_ is not None:
        return None if _is_nil(list_) else [_value(item, file) for item in list_.all("item")]
    return {_name(child, file): _value(child, file) for child in components} if components else None


def _is_nil(node: Node) -> bool:
    return node.typed.get((XSI, "nil"), "false").strip() in {"true", "1"}


def _simple(node: Node, file: str | None) -> Value:
    if _is_nil(node):
        return None
    type_ = node.typed.get((XSI, "type"), "string").rpartition(":")[2]
    reader = _READERS.get(type_)
    if reader is None:
        raise InvalidModel(f"the type {type_[:40]!r} of a value is not known", file=file, element=node.tag, line=node.line)
    value = reader(node.text)
    if value is None:
        raise InvalidModel(f"{node.text[:40]!r} is not a value of type {type_}", file=file, element=node.tag, line=node.line)
    return value


def _number(text: str) -> Value:
    try:
        return number(text.strip())
    except ValueError:
        return None


def _boolean(text: str) -> Value:
    return {"true": True, "1": True, "false": False, "0": False}.get(text.strip())


_READERS: dict[str, Callable[[str], Value]] = {
    "string": str,
    "boolean": _boolean,
    "date": lambda text: temporal.parse_date(text.strip()),
    "time": lambda text: temporal.parse_time(text.strip()),
    "dateTime": lambda text: temporal.parse_date_time(text.strip()),
    **dict.fromkeys(("decimal", "double", "float", "integer", "int", "long", "short", "byte", "nonNegativeInteger"), _number),
    **dict.fromkeys(("duration", "dayTimeDuration", "yearMonthDuration"), lambda text: temporal.parse_duration(text.strip())),
}
"""By the local name of the XML Schema type; all give None for what is not a value of it."""
