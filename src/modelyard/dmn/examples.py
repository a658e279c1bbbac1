"""Examples of what a model should answer: evaluating them, and what they cover. `example_files` reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modelyard.dmn.coverage import Coverage, coverage
from modelyard.dmn.engine import Model, Result
from modelyard.dmn.errors import DmnError
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Message, Trace
from modelyard.dmn.tck import CaseType, agrees


@dataclass(frozen=True, slots=True)
class Expectation:
    """`label` is the expectation's name in its file; `node` the decision, `path` the way into its value; `error`: null is
    expected because of an error."""

    label: str
    node: str
    value: Value
    path: tuple[str, ...] = ()
    error: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """Inputs by name and what is expected. `row` is where it stands: the line in a CSV file, the number of a TCK test.

    `type` and `invocable` say what is called; the decisions are those of the expectations."""

    row: int
    name: str
    inputs: dict[str, Value]
    expected: tuple[Expectation, ...]
    type: CaseType = "decision"
    invocable: str | None = None


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """`expected` and `actual` by the expectations' labels; `failed` are the labels of those that do not agree."""

    row: int
    name: str
    expected: dict[str, Value]
    actual: dict[str, Value]
    failed: tuple[str, ...]
    messages: tuple[Message, ...] = ()
    errors: tuple[DmnError, ...] = field(default=(), compare=False)

    @property
    def passed(self) -> bool:
        return not self.failed


@dataclass(frozen=True, slots=True)
class Report:
    results: tuple[ExampleResult, ...]
    coverage: Coverage

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def failures(self) -> tuple[ExampleResult, ...]:
        return tuple(result for result in self.results if not result.passed)


def run(model: Model, examples: Sequence[Example]) -> Report:
    """Evaluate all examples. What the engine refuses to evaluate fails its example; nothing is raised."""
    traces: list[Trace] = []
    results = tuple(evaluate(model, example, traces) for example in examples)
    return Report(results, coverage(model.tables, traces))


def evaluate(model: Model, example: Example, traces: list[Trace] | None = None) -> ExampleResult:
    """Evaluate one example: each decision once, however much is expected of it. Traces are added to `traces` when it is given."""
    answers = _Answers(model, example, traces)
    actual = {expectation.label: answers.of(expectation) for expectation in example.expected}
    failed = tuple(e.label for e in example.expected if e.node in answers.errors or not agrees(e.value, actual[e.label]))
    expected = {expectation.label: expectation.value for expectation in example.expected}
    return ExampleResult(
        example.row, example.name, expected, actual, failed, tuple(answers.messages), tuple(answers.errors.values())
    )


class _Answers:
    """The answers of one example, by the names of the decisions."""

    def __init__(self, model: Model, example: Example, traces: list[Trace] | None) -> None:
        self.model, self.example, self.traces = model, example, traces
        self.found: dict[str, Value] = {}
        self.errors: dict[str, DmnError] = {}
        self.messages: list[Message] = []

    def of(self, expectation: Expectation) -> Value:
        node = expectation.node
        if node not in self.found:
            self.found[node] = self._answer(node)
        return _inside(self.found[node], expectation.path)

    def _answer(self, node: str) -> Value:
        inputs, invocable, trace = self.example.inputs, self.example.invocable or "", self.traces is not None
        calls: dict[CaseType, Callable[[], Result]] = {
            "decision": lambda: self.model.evaluate(node, inputs, trace=trace),
            "decisionService": lambda: self.model.evaluate_service(invocable, inputs, trace=trace),
            "bkm": lambda: self.model.invoke(invocable, inputs, trace=trace),
        }
        try:
            result = calls[self.example.type]()
        except DmnError as error:
            self.errors[node] = error
            return None
        self.messages += [message for message in result.messages if message not in self.messages]
        if self.traces is not None and result.trace is not None:
            self.traces.append(result.trace)
        return self._output(result.value, node) if self.example.type == "decisionService" else result.value

    def _output(self, value: Value, node: str) -> Value:
        """A service with several outputs gives a context of them."""
        invocable = self.example.invocable
        several = any(len(s.outputs) > 1 for s in self.model.services if invocable in {s.name, s.id})
        return value.get(node) if several and isinstance(value, dict) else value


def _inside(value: Value, path: Sequence[str]) -> Value:
    """`value.a.b`; of a list, the list of its elements' (10.3.2.5)."""
    for name in path:
        if isinstance(value, list):
            value = [item.get(name) if isinstance(item, dict) else None for item in value]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value
