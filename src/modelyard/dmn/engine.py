"""The public face: load files, ask what is in them, evaluate.

model = load(Path("loan.dmn"))
result = model.evaluate("Eligibility", {"Age": 42, "Income": Decimal("5000")}, trace=True)
result.value, result.messages, result.trace
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from modelyard.dmn import batch, model
from modelyard.dmn.errors import DmnError, InvalidData, InvalidModel, LimitExceeded
from modelyard.dmn.feel.names import normalise
from modelyard.dmn.feel.scope import Code
from modelyard.dmn.feel.types import ANY, AnyType, ConstrainedType
from modelyard.dmn.feel.values import Value
from modelyard.dmn.from_python import binder, bound
from modelyard.dmn.graph import File, Graph, Node, evaluate_plan, plan_of
from modelyard.dmn.run import DEFAULT_LIMITS, Clock, Limits, Message, Run, Severity, Trace, Tracer, system_clock
from modelyard.dmn.shortcut import Columns, Shortcut, columns_of
from modelyard.dmn.tables import CompiledTable, TableInfo, fresh
from modelyard.dmn.xml import read


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content under a name for messages."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class InputInfo:
    """An input. `name` is the key under which its value is given: with the import's name before it when it is another file's.
    `allowed` is the text of the values that its type allows."""

    name: str
    id: str
    type: AnyType
    type_ref: str | None = None
    allowed: str = ""
    label: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class DecisionInfo:
    """A decision: `inputs` are all that it needs through its requirements, `requires` the decisions that it needs directly."""

    name: str
    id: str
    type: AnyType
    inputs: tuple[InputInfo, ...]
    requires: tuple[str, ...] = ()
    question: str = ""
    allowed_answers: str = ""
    label: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A decision service: `inputs` are its input data, then its input decisions; `outputs` its output decisions."""

    name: str
    id: str
    type: AnyType
    inputs: tuple[InputInfo, ...]
    outputs: tuple[str, ...]
    label: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A business knowledge model."""

    name: str
    id: str
    parameters: tuple[str, ...]
    type: AnyType


class Result(NamedTuple):
    """A value, and what was noticed on the way to it. `trace` only if it was asked for."""

    value: Value
    messages: tuple[Message, ...] = ()
    trace: Trace | None = None

    @property
    def failed(self) -> bool:
        """Whether something became null for a reason that the model did not mean."""
        return any(message.severity is Severity.ERROR for message in self.messages)


def load(
    *sources: Path | str | bytes | Source, strict: bool = True, limits: Limits = DEFAULT_LIMITS, clock: Clock = system_clock
) -> Model:
    """Read and compile one file, or several that import each other; the first one that no other imports is the model.

    A str is a path. `strict`: whatever makes some part of the model unusable raises InvalidModel with all `problems`; otherwise
    these parts give null, and `Model.problems` tells them. What makes the whole unusable (malformed XML, a cycle, a missing
    import or requirement) always raises InvalidModel."""
    if not sources:
        raise InvalidModel("there is no file to load")
    definitions = [read(data, name, limits) for name, data in map(_content, sources)]
    _distinct(definitions)
    try:
        graph = Graph(definitions, limits)
    except RecursionError:
        raise LimitExceeded("the model's expressions are nested too deeply", file=definitions[0].place.file) from None
    if strict and graph.problems:
        raise _all_of(graph.problems)
    return Model(graph, limits, clock)


def _content(source: Path | str | bytes | Source) -> tuple[str | None, bytes]:
    if isinstance(source, bytes):
        return None, source
    if isinstance(source, Source):
        return source.name, source.data
    path = Path(source)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise InvalidModel(f"cannot be read: {error.strerror}", file=str(path)) from error


def _distinct(definitions: Sequence[model.Definitions]) -> None:
    seen: dict[str, model.Definitions] = {}
    for each in definitions:
        other = seen.setdefault(each.namespace, each)
        if other is not each:
            detail = f"has the namespace {each.namespace!r} of {other.place.file or other.name!r}"
            raise InvalidModel(detail, file=each.place.file, line=each.place.line)


def _all_of(problems: Sequence[DmnError]) -> InvalidModel:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    error = InvalidModel(first.detail + more, file=first.file, element=first.element, line=first.line)
    error.problems = tuple(problems)
    return error


class Model:
    """A loaded model. Immutable; evaluations may run in several threads at once."""

    def __init__(self, graph: Graph, limits: Limits, clock: Clock) -> None:
        self._graph, self.limits, self.clock = graph, limits, clock
        self.template = graph.template
        imported = {file for each in graph.files for file in each.imports.values()}
        self._main = next((file for file in graph.files if file not in imported), graph.files[0])
        self.name, self.namespace = self._main.definitions.name, self._main.definitions.namespace
        self.definitions = (
            self._main.definitions,
            *(f.definitions for f in graph.files if f is not self._main),
        )
        self.problems: tuple[DmnError, ...] = graph.problems
        self.tables: tuple[TableInfo, ...] = tuple(t for file in graph.files for t in file.compiler.tables)
        self._keys = {node.index: self._key(node) for node in graph.nodes}
        self._needed = graph.inputs()
        self._named = self._by_name()
        self._decisions: dict[str, CompiledDecision] = {}
        self.inputs = tuple(self._input(n) for n in self._main.nodes.values() if isinstance(n.element, model.InputData))
        self.decisions = tuple(self._decision(n) for n in self._main.nodes.values() if isinstance(n.element, model.Decision))
        self.services = tuple(self._service(n) for n in self._main.nodes.values() if isinstance(n.element, model.DecisionService))
        self.functions = tuple(
            FunctionInfo(n.name, n.id, n.value.parameters or (), n.type)
            for n in self._main.nodes.values()
            if isinstance(n.element, model.BusinessKnowledgeModel)
        )

    # --- what is in it ------------------------------------------------------------------------------------------------------

    def _key(self, node: Node) -> str:
        """The node's name as seen from the main file: with the names of the imports on the way before it."""
        way = _way(self._main, node.file)
        return ".".join([*(part for part in way if part), node.name]) if way is not None else node.name

    def _by_name(self) -> dict[tuple[type, str], Node]:
        """By kind and name, else by kind and id: the id of one node may be the name of another."""
        found: dict[tuple[type, str], Node] = {}
        for node in self._graph.nodes:
            found.setdefault((type(node.element), self._keys[node.index]), node)
        for node in self._graph.nodes:
            found.setdefault((type(node.element), node.id), node)
        return found

    def _input(self, node: Node) -> InputInfo:
        element, type_ = node.element, node.type
        allowed = type_.text if isinstance(type_, ConstrainedType) else ""
        return InputInfo(self._keys[node.index], node.id, type_, element.type_ref, allowed, element.label, element.description)

    def _decision(self, node: Node) -> DecisionInfo:
        element = node.element
        assert isinstance(element, model.Decision)
        return DecisionInfo(
            self._keys[node.index],
            node.id,
            node.type,
            tuple(map(self._input, self._needed[node.index])),
            tuple(self._keys[n.index] for n in node.needs() if isinstance(n.element, model.Decision)),
            element.question,
            element.allowed_answers,
            element.label,
            element.description,
        )

    def _service(self, node: Node) -> ServiceInfo:
        element = node.element
        inputs = tuple(self._input(n) for n in self._graph.parameters(node))
        outputs = tuple(self._keys[n.index] for n in self._graph.outputs(node))
        return ServiceInfo(self._keys[node.index], node.id, node.type, inputs, outputs, element.label, element.description)

    def _node(self, name: str, kind: type, what: str) -> Node:
        node = self._named.get((kind, name)) or self._named.get((kind, normalise(name)))
        if node is None:
            known = ", ".join(repr(self._keys[n.index]) for n in self._graph.nodes if isinstance(n.element, kind)) or "none"
            raise InvalidData(f"there is no {what} {name!r} in the model; there is {known:.300}")
        return node

    # --- evaluation ---------------------------------------------------------------------------------------------------------

    def decision(self, name: str) -> CompiledDecision:
        """A decision by name or id, to be evaluated many times. Raises InvalidData when there is none."""
        found = self._decisions.get(name)
        if found is None:
            node = self._node(name, model.Decision, "decision")
            inputs = [(n.index, self._keys[n.index], n.type) for n in self._needed[node.index]]
            found = CompiledDecision(self, node, plan_of([node]), inputs)
            self._decisions[name] = found
        return found

    def evaluate(self, decision: str, data: Mapping[str, Any], *, trace: bool = False) -> Result:
        """Evaluate a decision, by name or id, and all that it requires, on inputs by name.

        Inputs that are not given are null. Raises InvalidData for an unknown decision and for what is no value, LimitExceeded."""
        return self.decision(decision).evaluate(data, trace=trace)

    def evaluate_service(self, service: str, data: Mapping[str, Any], *, trace: bool = False) -> Result:
        """Evaluate a decision service on its input data and input decisions by name; several outputs give a context."""
        node = self._node(service, model.DecisionService, "decision service")
        given = [(self._keys[p.index], p.name, p.type) for p in self._graph.parameters(node)]
        return self._running(
            trace,
            lambda run: node.value.call(
                run, [bound(given_value(data, key, name), type_, key, run) for key, name, type_ in given]
            ),
        )

    def invoke(self, function: str, data: Mapping[str, Any], *, trace: bool = False) -> Result:
        """Call a business knowledge model with arguments by name."""
        node = self._node(function, model.BusinessKnowledgeModel, "business knowledge model")
        return self._running(
            trace,
            lambda run: node.value.call_named(run, {name: bound(value, ANY, name, run) for name, value in data.items()}),
        )

    def evaluate_many(self, decision: str, table: Any, *, numbers: Any = None) -> Any:
        """Evaluate a decision on every row of an Arrow table, columns by input name; an Arrow array of the answers, of the types
        that `modelyard.dmn.batch` tells. Numbers are float64, or of the Arrow type `numbers`."""
        return batch.evaluate_many(self, decision, table, numbers=numbers)

    def start(self, *, trace: bool = False) -> Run:
        """The beginning of an evaluation."""
        return Run(self.limits, self.clock, Tracer() if trace else None)

    def _running(self, trace: bool, evaluate: Any) -> Result:
        run = self.start(trace=trace)
        try:
            return result_of(run, evaluate(run))
        except RecursionError:
            raise _too_deep(run) from None


class CompiledDecision:
    """A decision with the plan of its evaluation. `inputs` have the node's index, the key under which callers give the value, and
    the type; `table` and `columns` are those of the shortcut, if there is one."""

    __slots__ = ("_direct", "_inputs", "_shortcut", "columns", "inputs", "model", "node", "plan", "table")

    def __init__(self, model: Model, node: Node, plan: Sequence[Node], inputs: Sequence[tuple[int, str, AnyType]]) -> None:
        self.model, self.node, self.plan = model, node, tuple(plan)
        self._inputs = tuple((index, key, binder(type_, key)) for index, key, type_ in inputs)
        self._direct = self._directly()
        self.inputs = tuple(inputs)
        self.table = next((t.code for t in model.tables if t.table is node.element.expression), None)  # type: ignore[union-attr]
        self.columns = self._columns(self.table)
        self._shortcut = Shortcut(self.columns, self.table, self._evaluated, _copy) if self.columns and self.table else None

    @property
    def type(self) -> AnyType:
        """The type of the answer."""
        return self.node.type

    def evaluate(self, data: Mapping[str, Any], *, trace: bool = False) -> Result:
        """As `Model.evaluate`."""
        if self._shortcut is not None and not trace:
            return self._shortcut(data)
        return self._evaluated(data, trace)

    def _evaluated(self, data: Mapping[str, Any], trace: bool = False) -> Result:
        model = self.model
        run = Run(model.limits, model.clock, Tracer() if trace else None)
        try:
            value = self._planned(data, run) if self._direct is None or trace else self._alone(data, run)
        except RecursionError:
            raise _too_deep(run) from None
        messages = run.messages
        if messages is None and not trace:
            return _new_result(Result, (value, (), None))
        return result_of(run, value)

    def _columns(self, table: CompiledTable | None) -> Columns:
        """How the rules that match follow from the callers' values, for a decision that is a table of constants and that no other
        input or decision can disturb; else nothing."""
        if self._direct is None or table is None:
            return ()
        given = {index: (key, type_) for index, key, type_ in self.inputs}
        known = {need.name: given[need.index] for need in self.node.plain if need.index in given}
        columns = columns_of(table, known, self.model.limits)
        return columns if {key for key, _ in columns} == {key for key, _ in given.values()} else ()

    def _directly(self) -> tuple[Code, tuple[tuple[str | None, Any], ...]] | None:
        """For a decision that needs no other: its code, and where each value of its environment comes from, either the input of a
        name and its binder, or a function that is always the same."""
        code, node = self.node.code, self.node
        if len(self.plan) != 1 or node.prefixed or code is None:
            return None
        binders = {index: (key, bind) for index, key, bind in self._inputs}
        return code, tuple(binders.get(need.index, (None, need.value)) for need in node.plain)

    def _alone(self, data: Mapping[str, Any], run: Run) -> Value:
        assert self._direct is not None
        code, sources = self._direct
        env: list[Any] = [None, run]
        for key, source in sources:
            if key is None:
                env.append(source)
                continue
            value = data.get(key)
            if value is None and key not in data:
                value = given_value(data, key, key.rpartition(".")[2])
            env.append(None if value is None else source(value, run))
        run.element = self.node.id
        return code(env)

    def _planned(self, data: Mapping[str, Any], run: Run) -> Value:
        values = self.model.template.copy()
        for index, key, bind in self._inputs:
            value = data.get(key)
            if value is None and key not in data:
                value = given_value(data, key, key.rpartition(".")[2])
            values[index] = None if value is None else bind(value, run)
        evaluate_plan(self.plan, values, run)
        return values[self.node.index]


def _copy(result: Result) -> Result:
    """A result of which the caller may change what is changeable."""
    value = result[0]
    return _new_result(Result, (fresh(value), result[1], None)) if type(value) is dict or type(value) is list else result


_new_result = tuple.__new__
"""A result without the checks of its arguments: there is one for each evaluation."""


def given_value(data: Mapping[str, Any], key: str, name: str) -> Any:
    """What the caller gave for an input: under its whole key, as an entry of a mapping under the import's name, or under its own
    name."""
    if key in data:
        return data[key]
    found: Any = data
    rest = key
    while isinstance(found, Mapping) and rest:
        if rest in found:
            return found[rest]
        step = next((p for p in found if isinstance(p, str) and rest.startswith(p + ".")), None)
        if step is None:
            break
        found, rest = found[step], rest[len(step) + 1 :]
    if name in data:
        return data[name]
    return next((value for given, value in data.items() if isinstance(given, str) and normalise(given) in (key, name)), None)


def result_of(run: Run, value: Value) -> Result:
    """What an evaluation came to."""
    return Result(value, tuple(run.messages or ()), run.tracer.result() if run.tracer else None)


def _too_deep(run: Run) -> LimitExceeded:
    return LimitExceeded("the evaluation is nested too deeply", element=run.element)


def _way(start: File, target: File) -> list[str] | None:
    """The names of the imports on the shortest way from one file to another; None without one."""
    ways: dict[File, list[str]] = {start: []}
    waiting = [start]
    for file in waiting:
        if file is target:
            return ways[file]
        for name, imported in file.imports.items():
            if imported not in ways:
                ways[imported] = [*ways[file], name]
                waiting.append(imported)
    return None
