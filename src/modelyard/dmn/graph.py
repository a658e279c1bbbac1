"""The requirements graph: which nodes there are, what each needs, and in what order they are evaluated (DMN 1.5, chapter 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.dmn import model
from modelyard.dmn.compile import Compiler, coerced
from modelyard.dmn.errors import DmnError, InvalidModel
from modelyard.dmn.feel.compiler import Code, Env, Scope, root_scope
from modelyard.dmn.feel.functions import Closure, Wrapped
from modelyard.dmn.feel.semantics import coerce
from modelyard.dmn.feel.types import ANY, AnyType, ContextType, FunctionType, base_of
from modelyard.dmn.feel.values import Value
from modelyard.dmn.item_types import ItemTypes
from modelyard.dmn.run import Limits, Run

_SERVICE = 10
"""What calling a decision service counts for in steps, besides what it evaluates."""
Values = list[Any]
"""The values of one evaluation, by the nodes' indexes."""

DrgElement = model.InputData | model.Decision | model.BusinessKnowledgeModel | model.DecisionService

DMN_LANGUAGE = "DMN"


@dataclass(slots=True, eq=False)
class Node:
    """Input data, a decision, a business knowledge model or a decision service of some file.

    `shape` is what its value looks like, as far as that is known and not declared (`Scope.shapes`).
    `plain` are the needed nodes known by their own names, `prefixed` those of imported files by the import's name. `value` is
    that of nodes that are the same in every evaluation (functions)."""

    index: int
    element: DrgElement
    file: File
    plain: list[Node] = field(default_factory=list)
    prefixed: dict[str, list[Node]] = field(default_factory=dict)
    type: AnyType = ANY
    shape: AnyType = ANY
    code: Code | None = None
    value: Value = None
    places: tuple[int, ...] = ()
    """The indexes of `plain`."""

    @property
    def name(self) -> str:
        return self.element.name

    @property
    def id(self) -> str:
        return self.element.id or self.element.name

    @property
    def kind(self) -> str:
        return _KINDS[type(self.element)]

    def needs(self) -> list[Node]:
        return [*self.plain, *(node for group in self.prefixed.values() for node in group)]

    def inputs(self) -> list[Node]:
        """What has to be known before the node is evaluated: nothing for a function, whose caller gives it all."""
        return [] if isinstance(self.element, model.BusinessKnowledgeModel | model.DecisionService) else self.needs()


_KINDS = {
    model.InputData: "input data",
    model.Decision: "decision",
    model.BusinessKnowledgeModel: "business knowledge model",
    model.DecisionService: "decision service",
}


class File:
    """One file with its compiler, and the files that it imports by the names under which it knows them."""

    def __init__(self, definitions: model.Definitions, limits: Limits) -> None:
        self.definitions = definitions
        self.compiler = Compiler(definitions.place.file, limits)
        self.imports: dict[str, File] = {}
        self.nodes: dict[str, Node] = {}

    def types(self) -> ItemTypes:
        """The file's types, and before them those of the files that it imports."""
        if not hasattr(self.compiler, "types"):
            imported = {name: file.types() for name, file in self.imports.items()}
            self.compiler.types = ItemTypes(self.definitions, imported, self.compiler.problem, self.compiler.limits)
        return self.compiler.types


class Graph:
    """All nodes of some files, compiled."""

    def __init__(self, definitions: Sequence[model.Definitions], limits: Limits) -> None:
        self.limits = limits
        self.files = [File(each, limits) for each in definitions]
        self.nodes: list[Node] = []
        self._imports()
        for file in self.files:
            self._declare(file)
        for file in self.files:
            for node in file.nodes.values():
                self._require(node)
        self.order = in_order(self.nodes)
        for node in self.nodes:
            node.places = tuple(need.index for need in node.plain)
        for node in self.order:
            self._type(node)
        for node in self.order:
            self._compile(node)
        self.template: Values = [node.value for node in self.nodes]
        self.problems = tuple(problem for file in self.files for problem in file.compiler.problems)

    def _imports(self) -> None:
        by_namespace = {file.definitions.namespace: file for file in self.files}
        for file in self.files:
            for wanted in file.definitions.imports:
                if DMN_LANGUAGE not in wanted.import_type.upper():
                    continue
                found = by_namespace.get(wanted.namespace)
                if found is None:
                    where = f" (at {wanted.location!r})" if wanted.location else ""
                    raise _wrong(f"imports {wanted.namespace!r}{where}, which was not given: load that file too", wanted)
                file.imports[wanted.name] = found
        _no_round(self.files)

    def _declare(self, file: File) -> None:
        found = file.definitions
        elements: tuple[DrgElement, ...] = (*found.inputs, *found.knowledge, *found.services, *found.decisions)
        for element in elements:
            node = Node(len(self.nodes), element, file)
            self.nodes.append(node)
            file.nodes[node.id] = node

    def _require(self, node: Node) -> None:
        element = node.element
        if isinstance(element, model.Decision):
            refs: Sequence[model.Ref] = (*element.requires, *element.knowledge)
        elif isinstance(element, model.BusinessKnowledgeModel):
            refs = element.knowledge
        elif isinstance(element, model.DecisionService):
            refs = (*element.output_decisions, *element.encapsulated, *element.input_decisions, *element.input_data)
        else:
            return
        for ref in dict.fromkeys(refs):
            self._add(node, ref)

    def _add(self, node: Node, ref: model.Ref) -> None:
        found, prefix = self.resolve(node, ref)
        if found is node:
            return
        if prefix:
            node.prefixed.setdefault(prefix, []).append(found)
        else:
            node.plain.append(found)

    def resolve(self, node: Node, ref: model.Ref) -> tuple[Node, str]:
        """The node that is meant, and the name of the import through which. Raises InvalidModel when there is none."""
        if ref.namespace in (None, node.file.definitions.namespace):
            found = node.file.nodes.get(ref.id)
            if found is not None:
                return found, ""
        for prefix, file in node.file.imports.items():
            if file.definitions.namespace == ref.namespace and ref.id in file.nodes:
                return file.nodes[ref.id], prefix
        whole = f"{ref.namespace or ''}#{ref.id}"
        raise _wrong(f"{node.kind} {node.name!r} requires {whole!r}, which there is not", node.element)

    def _type(self, node: Node) -> None:
        element, types = node.element, node.file.types()
        own = types.named(element.type_ref, element.place)
        if isinstance(element, model.BusinessKnowledgeModel):
            node.type = _function_type(element.function, own, types)
        elif isinstance(element, model.DecisionService):
            node.type = self._service_type(node, own)
        else:
            node.type = own

    def _service_type(self, node: Node, own: AnyType) -> AnyType:
        if isinstance(base_of(own), FunctionType):
            return own
        outputs = self.outputs(node)
        result = (
            own if own is not ANY else outputs[0].type if len(outputs) == 1 else ContextType({n.name: n.type for n in outputs})
        )
        return FunctionType(tuple(n.type for n in self.parameters(node)), result)

    def inputs(self) -> dict[int, list[Node]]:
        """By each node's index, all input data that it needs, through its requirements."""
        found: dict[int, dict[int, Node]] = {}
        for node in self.order:
            mine = found[node.index] = {node.index: node} if isinstance(node.element, model.InputData) else {}
            for need in node.inputs():
                mine.update(found[need.index])
        return {index: list(nodes.values()) for index, nodes in found.items()}

    def outputs(self, service: Node) -> list[Node]:
        element = service.element
        assert isinstance(element, model.DecisionService)
        return [self.resolve(service, ref)[0] for ref in element.output_decisions]

    def parameters(self, service: Node) -> list[Node]:
        """What a caller of the service gives: its input data, then its input decisions."""
        element = service.element
        assert isinstance(element, model.DecisionService)
        return [self.resolve(service, ref)[0] for ref in (*element.input_data, *element.input_decisions)]

    def _compile(self, node: Node) -> None:
        element, compiler = node.element, node.file.compiler
        if isinstance(element, model.Decision):
            scope = self._scope(node)
            code = compiler.node(node.name, element.expression, scope, ANY, element.place)
            node.shape = compiler.shape(element.expression)
            node.code = coerced(code, node.type, f"the value of decision {node.name!r}")
        elif isinstance(element, model.BusinessKnowledgeModel):
            node.value = self._knowledge(node, element)
        elif isinstance(element, model.DecisionService):
            node.value = self._service(node)

    def _scope(self, node: Node, itself: bool = False) -> Scope:
        """The names that the node's logic sees: those of the nodes that it requires, and no others."""
        names: dict[str, AnyType] = {found.name: found.type for found in node.plain}
        shapes = {found.name: found.shape for found in node.plain if found.type is ANY}
        for prefix, group in node.prefixed.items():
            names[prefix] = ContextType({found.name: found.type for found in group})
            shapes[prefix] = ContextType({found.name: found.shape if found.type is ANY else found.type for found in group})
        if itself:
            names[node.name] = node.type
        return Scope(names, root_scope(), type_lookup=node.file.types().find, shapes=shapes)

    def _knowledge(self, node: Node, element: model.BusinessKnowledgeModel) -> Value:
        """The function, with itself among the names that it sees. What it requires are functions, the same every time."""
        scope = self._scope(node, itself=True)
        definition = element.function or model.FunctionDefinition(place=element.place)
        result = node.type.result if isinstance(node.type, FunctionType) else ANY
        env: Env = [None, None, *(found.value for found in node.plain)]
        env.extend({found.name: found.value for found in group} for group in node.prefixed.values())
        node.file.compiler.owner = node.name
        made = node.file.compiler.function(node.name, definition, scope, result)(env)
        function = Knowledge(made, node) if isinstance(made, Closure) else made
        env.append(function)
        return function

    def _service(self, node: Node) -> Value:
        parameters, outputs = self.parameters(node), self.outputs(node)
        plan = plan_of(outputs, cut=parameters)
        kinds = tuple(p.type for p in parameters)
        result = node.type.result if isinstance(node.type, FunctionType) else ANY

        def run_service(run: Run, arguments: Sequence[Value]) -> Value:
            values: Values = self.template.copy()
            run.step(_SERVICE + len(values) // 8)
            for parameter, value in zip(parameters, arguments, strict=True):
                values[parameter.index] = coerce(value, parameter.type, run, f"{parameter.name!r} of service {node.name!r}")
            caller = run.element
            if run.tracer is not None:
                run.tracer.begin()
            evaluate_plan(plan, values, run)
            run.element = node.id
            single = len(outputs) == 1
            found = values[outputs[0].index] if single else {each.name: values[each.index] for each in outputs}
            found = coerce(found, result, run, f"the result of service {node.name!r}")
            if run.tracer is not None:
                run.tracer.end(node.id, node.name, node.kind, found)
            run.element = caller
            return found

        return Wrapped(node.name, tuple(p.name for p in parameters), kinds, result, run_service)


class Knowledge:
    """A business knowledge model's function: a closure whose calls are traced, and whose messages carry its name."""

    __slots__ = ("_call", "_call_named", "_id", "_kind", "name", "parameters", "type")

    def __init__(self, closure: Closure, node: Node) -> None:
        self._call, self._call_named = closure.call, closure.call_named
        self._id, self._kind = node.id, node.kind
        self.name, self.parameters, self.type = closure.name, closure.parameters, closure.type

    def call(self, run: Run, arguments: Sequence[Value]) -> Value:
        return self._traced(run, self._call, arguments)

    def call_named(self, run: Run, arguments: Mapping[str, Value]) -> Value:
        return self._traced(run, self._call_named, arguments)

    def _traced(self, run: Run, call: Callable[[Run, Any], Value], arguments: Any) -> Value:
        around, run.element = run.element, self._id
        if run.tracer is not None:
            run.tracer.begin()
        found = call(run, arguments)
        if run.tracer is not None:
            run.tracer.end(self._id, self.name, self._kind, found)
        run.element = around
        return found


def _function_type(definition: model.FunctionDefinition | None, own: AnyType, types: ItemTypes) -> FunctionType:
    """The type of a business knowledge model: its variable's, if that is a function's, else made of parameters and result."""
    base = base_of(own)
    if isinstance(base, FunctionType):
        return base
    parameters = definition.parameters if definition else ()
    return FunctionType(tuple(types.named(p.type_ref, p.place) for p in parameters), own)


def _no_round(files: Sequence[File]) -> None:
    """Refuse imports that lead back. Each file is looked at once, however many ways lead to it."""
    done: set[int] = set()
    way: list[File] = []
    waiting = [(file, False) for file in files]
    while waiting:
        file, left = waiting.pop()
        if left:
            done.add(id(way.pop()))
        elif file in way:
            names = " → ".join(each.definitions.name for each in [*way[way.index(file) :], file])
            raise _wrong(f"the imports go round in a circle: {names}", file.definitions)
        elif id(file) not in done:
            way.append(file)
            waiting.append((file, True))
            waiting.extend((imported, False) for imported in file.imports.values())


def in_order(
    nodes: Sequence[Node], cut: Sequence[Node] = (), needs_of: Callable[[Node], Sequence[Node]] = Node.needs
) -> list[Node]:
    """The nodes and all that they need, each after its needs; those of `cut` need nothing. Raises InvalidModel for a cycle."""
    done: dict[int, Node] = {}
    open_: dict[int, Node] = {}
    stops = {node.index for node in cut}
    waiting = [(node, False) for node in reversed(nodes)]
    while waiting:
        node, left = waiting.pop()
        if left:
            del open_[node.index]
            done[node.index] = node
        elif node.index not in done:
            if node.index in open_:
                raise _cycle(node, open_)
            open_[node.index] = node
            waiting.append((node, True))
            needs = () if node.index in stops else needs_of(node)
            for need in reversed(needs):
                if need.index in open_:
                    raise _cycle(need, open_)
                if need.index not in done:
                    waiting.append((need, False))
    return list(done.values())


def _cycle(node: Node, open_: Mapping[int, Node]) -> InvalidModel:
    names = [each.name for each in open_.values()]
    way = " → ".join([*names[names.index(node.name) :], node.name])
    return _wrong(f"{node.kind} {node.name!r} requires itself: {way}", node.element)


def plan_of(targets: Sequence[Node], cut: Sequence[Node] = ()) -> tuple[Node, ...]:
    """The decisions to evaluate for these, in order. Those of `cut` are given by the caller."""
    stops = {node.index for node in cut}
    found = in_order(targets, cut, Node.inputs)
    return tuple(n for n in found if n.index not in stops and n.code is not None)


def evaluate_plan(plan: Sequence[Node], values: Values, run: Run) -> None:
    """Evaluate the decisions of a plan into `values`, which has those of the functions and what the caller gave."""
    tracer = run.tracer
    for node in plan:
        code = node.code
        assert code is not None
        run.element = node.element.id
        env: Env = [None, run, *[values[place] for place in node.places]]
        if node.prefixed:
            env.extend({need.name: values[need.index] for need in group} for group in node.prefixed.values())
        if tracer is None:
            values[node.index] = code(env)
            continue
        tracer.begin()
        values[node.index] = code(env)
        tracer.end(node.id, node.name, node.kind, values[node.index])


def _wrong(detail: str, element: model.Element) -> InvalidModel:
    place = element.place
    error = InvalidModel(detail, file=place.file, element=place.element, line=place.line)
    error.problems = (DmnError(detail, file=place.file, element=place.element, line=place.line),)
    return error
