"""Decision tables (DMN 1.5, chapter 8): inputs, the rules that match, and what the hit policy makes of them.

Constant cells are looked up (`table_index`), constant outputs are made once. Messages name the table, or the rule by its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from modelyard.dmn import hit_policies
from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.compiler import compile_expression, constant
from modelyard.dmn.feel.parser import parse_expression
from modelyard.dmn.feel.scope import Code, Env, Found, Matcher, Scope
from modelyard.dmn.feel.semantics import coerce, shown
from modelyard.dmn.feel.types import ANY, AnyType, ConstrainedType, ListType, base_of, conforms
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import (
    DecisionTable,
    Element,
    Expression,
    HitPolicy,
    InputClause,
    LiteralExpression,
    OutputClause,
    Place,
    UnaryTests,
)
from modelyard.dmn.run import Limits, RuleTrace, Run, Severity, TableTrace, system_clock
from modelyard.dmn.table_index import Cell, Column, TableIndex, rules_of

_SINGLE = frozenset(HitPolicy) - hit_policies.MULTIPLE


class Compiler(Protocol):
    """What a table needs of the model's compiler."""

    limits: Limits
    tables: list[TableInfo]

    def expression(self, node: Expression | None, scope: Scope, type_: AnyType = ...) -> Code: ...

    def parse_tests(self, tests: UnaryTests | None, scope: Scope, type_: AnyType = ANY) -> syntax.UnaryTests | None: ...

    def tests(self, node: syntax.UnaryTests, scope: Scope, at: Element, type_: AnyType = ...) -> Matcher: ...

    def type(self, type_ref: str | None, place: Place = ...) -> AnyType: ...

    def problem(self, detail: str, place: Place) -> None: ...


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table as compiled, for analysis, coverage and hit counts. `owner` is the name of the decision or the business knowledge
    model it stands in. `cells` and `outputs` have a tuple a rule; a cell is None where it cannot be read, an output where it is
    empty or cannot be."""

    table: DecisionTable
    owner: str
    input_types: tuple[AnyType, ...]
    inputs: tuple[syntax.Expr | None, ...]
    allowed_inputs: tuple[syntax.UnaryTests | None, ...]
    cells: tuple[tuple[syntax.UnaryTests | None, ...], ...]
    output_types: tuple[AnyType, ...]
    allowed_outputs: tuple[syntax.UnaryTests | None, ...]
    outputs: tuple[tuple[syntax.Expr | None, ...], ...]
    code: CompiledTable


@dataclass(frozen=True, slots=True)
class Input:
    """`place` is (depth, place in the environment) of a plain name. `check` coerces; None where the name's type says it all."""

    text: str
    node: syntax.Expr | None
    type: AnyType
    code: Code
    name: str | None
    check: AnyType | None
    allowed: Column | None
    allowed_tests: syntax.UnaryTests | None


@dataclass(frozen=True, slots=True)
class Output:
    name: str
    type: AnyType
    allowed: Matcher | None
    allowed_tests: syntax.UnaryTests | None
    order: tuple[Matcher, ...]
    default: Entry | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An output entry. `known` says that it is a constant, `value`, which fits its column."""

    node: syntax.Expr | None
    code: Code
    known: bool = False
    value: Value = None


class CompiledTable:
    """The code of a table: call it with an environment. Immutable, so threads may share it."""

    def __init__(
        self,
        table: DecisionTable,
        owner: str,
        inputs: Sequence[Input],
        outputs: Sequence[Output],
        entries: Sequence[Sequence[Entry]],
        index: TableIndex,
    ) -> None:
        self.table, self.owner, self.inputs, self.outputs, self.index = table, owner, tuple(inputs), tuple(outputs), index
        self.element = table.id or owner
        self.entries = entries
        self._first = table.hit_policy is HitPolicy.FIRST
        self._single = table.hit_policy in _SINGLE
        self._checks = any(i.allowed is not None for i in inputs)
        self._codes = tuple(_input_code(i) for i in inputs)
        self._known = [self._constant(row) for row in entries]
        self._plain = tuple(v[0] if v and type(v[0]) not in (list, dict) else _CHANGEABLE for v in self._known)

    @property
    def constant(self) -> bool:
        """Whether every output and every default is a constant, so that the value depends only on which rules match."""
        defaults = (o.default for o in self.outputs)
        return all(self._known) and all(d is None or d.known for d in defaults)

    def __call__(self, env: Env) -> Value:
        run: Run = env[1]
        outer, run.element = run.element, self.element
        values = [code(env) for code in self._codes]
        if run.tracer is not None:
            value = self._traced(env, values)
        elif self._checks and not self._allowed(values, run):
            value = None
        else:
            value = self.decide(self.index.match(env, values, self._first), env)
        run.element = outer
        return value

    def decide(self, hits: int, env: Env) -> Value:
        """The value, given the rules that match."""
        if self._single and hits and not hits & (hits - 1):
            index = hits.bit_length() - 1
            plain = self._plain[index]
            return self._output(index, env) if plain is _CHANGEABLE else plain
        return self._decided(rules_of(hits), env)[0]

    def _decided(self, rules: list[int], env: Env) -> tuple[Value, list[Value]]:
        """The value, and the outputs of the rules that match."""
        run: Run = env[1]
        policy, aggregation = self.table.hit_policy, self.table.aggregation
        outputs = [self._output(rule, env) for rule in rules]
        if rules:
            return hit_policies.apply(policy, aggregation, rules, outputs, self._rank(env), run), outputs
        if any(output.default is not None for output in self.outputs):
            return self._default(env), outputs
        run.say(Severity.INFO, "no rule matches")
        return hit_policies.empty(policy, aggregation), outputs

    def _allowed(self, values: Sequence[Value], run: Run) -> bool:
        """Whether the values are among the clauses' input values (8.3.2). Null, which is of every type, always is."""
        for value, clause in zip(values, self.inputs, strict=True):
            if clause.allowed is None or value is None or _passes(clause.allowed, value, run):
                continue
            run.null(f"the input {clause.text!r} is {shown(value)}, which is not among its input values")
            return False
        return True

    def _constant(self, row: Sequence[Entry]) -> tuple[Value] | None:
        if not all(entry.known for entry in row):
            return None
        if len(self.outputs) == 1:
            return (row[0].value,)
        return ({output.name: entry.value for output, entry in zip(self.outputs, row, strict=True)},)

    def _output(self, rule: int, env: Env) -> Value:
        """One rule's output: a value, or a context where the table has several columns."""
        known = self._known[rule]
        if known is not None:
            return fresh(known[0])
        run: Run = env[1]
        run.element = self.table.rules[rule].id or f"{self.element}, rule {rule + 1}"
        made = self._row(self.entries[rule], env)
        run.element = self.element
        return made

    def _row(self, row: Sequence[Entry | None], env: Env) -> Value:
        values = [_entry(entry, output, env) for entry, output in zip(row, self.outputs, strict=True)]
        if len(values) == 1:
            return values[0]
        return {output.name: value for output, value in zip(self.outputs, values, strict=True)}

    def _default(self, env: Env) -> Value:
        """The default output (8.2.10), as a list where the table gives one."""
        value = self._row([output.default for output in self.outputs], env)
        wrapped = not self._single and self.table.aggregation is None and type(value) is not list
        return [value] if wrapped else value

    def _rank(self, env: Env) -> hit_policies.Rank:
        several = len(self.outputs) > 1

        def rank(value: Value) -> tuple[int, ...]:
            return tuple(_place(output.order, value[output.name] if several else value, env) for output in self.outputs)

        return rank

    def _traced(self, env: Env, values: list[Value]) -> Value:
        run: Run = env[1]
        rules: list[int] = []
        value: Value = None
        outputs: list[Value] = []
        if self._allowed(values, run):
            rules = rules_of(self.index.match(env, values, self._first))
            value, outputs = self._decided(rules, env)
        inputs = tuple((i.text, v) for i, v in zip(self.inputs, values, strict=True))
        traces = tuple(self._rule_trace(rule, output) for rule, output in zip(rules, outputs, strict=True))
        assert run.tracer is not None
        run.tracer.table(TableTrace(self.element, inputs, traces, value))
        return value

    def _rule_trace(self, index: int, value: Value) -> RuleTrace:
        rule = self.table.rules[index]
        text = "; ".join(filter(None, rule.annotations)) or rule.description
        outputs = value if len(self.outputs) > 1 else {self.outputs[0].name: value} if self.outputs else {}
        return RuleTrace(index + 1, rule.id, text, outputs)


_CHANGEABLE = object()
"""Stands for an output that is made or copied at each evaluation."""


def fresh(value: Value) -> Value:
    """The value, with lists and contexts copied, so that nobody can change the model's own."""
    if type(value) is list:
        return [fresh(item) for item in value]
    if type(value) is dict:
        return {name: fresh(item) for name, item in value.items()}
    return value


def _passes(allowed: Column, value: Value, run: Run) -> bool:
    if type(value) in allowed.steps and not allowed.open:
        return allowed.steps[type(value)].at(value) == 1
    matcher = allowed.matchers[0]
    if matcher is None or matcher([None, run], value) is True:
        return True
    return type(value) is list and all(matcher([None, run], item) is True for item in value)


def _entry(entry: Entry | None, output: Output, env: Env) -> Value:
    if entry is None:
        return None
    if entry.known:
        return fresh(entry.value)
    return _fitting(entry.code(env), output, env)


def _fitting(value: Value, output: Output, env: Env) -> Value:
    """An output as its clause asks: of its type, and among its output values (8.3.3)."""
    run: Run = env[1]
    what = f"the output {output.name!r}" if output.name else "the output"
    value = coerce(value, output.type, run, what)
    if value is None or output.allowed is None or output.allowed(env, value) is True:
        return value
    if type(value) is list and all(output.allowed(env, item) is True for item in value):
        return value
    return run.null(f"{what} is {shown(value)}, which is not among its output values")


def _place(order: Sequence[Matcher], value: Value, env: Env) -> int:
    for place, matcher in enumerate(order):
        if matcher(env, value) is True:
            return place
    return len(order)


def _input_code(clause: Input) -> Code:
    code, type_ = clause.code, clause.check
    if type_ is None:
        return code
    what = f"the input {clause.text!r}"
    return lambda env: coerce(code(env), type_, env[1], what)


# --- compiling ------------------------------------------------------------------------------------------------------------------


def compile_table(table: DecisionTable, scope: Scope, compiler: Compiler, owner: str, indexed: bool = True) -> CompiledTable:
    """The table's code. Without `indexed` it evaluates cell by cell, to the same effect."""
    return _Compilation(table, scope, compiler, owner, indexed).compiled()


class _Compilation:
    def __init__(self, table: DecisionTable, scope: Scope, compiler: Compiler, owner: str, indexed: bool) -> None:
        self.table, self.scope, self.compiler, self.owner, self.indexed = table, scope, compiler, owner, indexed
        self.probe: Env = [None, Run(compiler.limits, system_clock)]

    def compiled(self) -> CompiledTable:
        inputs = [self.input(clause) for clause in self.table.inputs]
        outputs = [self.output(clause) for clause in self.table.outputs]
        columns = [self.cells(number, clause) for number, clause in enumerate(inputs)]
        entries = list(zip(*[self.entries(number, clause) for number, clause in enumerate(outputs)], strict=True))
        index = TableIndex(len(self.table.rules), columns, self.constant, self.probe, self.indexed)
        made = CompiledTable(self.table, self.owner, inputs, outputs, entries, index)
        self.compiler.tables.append(
            TableInfo(
                self.table,
                self.owner,
                tuple(i.type for i in inputs),
                tuple(i.node for i in inputs),
                tuple(i.allowed_tests for i in inputs),
                tuple(tuple(column[rule].tests for column in columns) for rule in range(len(self.table.rules))),
                tuple(o.type for o in outputs),
                tuple(o.allowed_tests for o in outputs),
                tuple(tuple(entry.node for entry in row) for row in entries),
                made,
            )
        )
        return made

    def constant(self, node: syntax.Expr) -> tuple[bool, Value]:
        return constant(node, self.scope)

    def input(self, clause: InputClause) -> Input:
        node, code = self.literal(clause.expression)
        written = self.compiler.type(clause.expression.type_ref, clause.place)
        name = node.name if isinstance(node, syntax.Name) else None
        found = self.scope.find(name) if name is not None else ()
        known = found.type if isinstance(found, Found) and not found.through else ANY
        tests = self.tests(clause.values)
        type_ = known if written == ANY else written
        return Input(
            text=(clause.expression.text or "").strip(),
            node=node,
            type=type_,
            code=code,
            name=name if isinstance(found, Found) and not found.through else None,
            check=None if _says_it_all(known, written) else written,
            allowed=self.allowed(tests, clause.values, type_),
            allowed_tests=tests,
        )

    def tests(self, node: UnaryTests | None) -> syntax.UnaryTests | None:
        """Allowed values; None where there are none or all are allowed."""
        found = self.compiler.parse_tests(node, self.scope) if node is not None and (node.text or "").strip() else None
        return found if found is not None and found.tests else None

    def allowed(self, tests: syntax.UnaryTests | None, node: UnaryTests | None, type_: AnyType) -> Column | None:
        if tests is None or node is None:
            return None
        cell = Cell(tests, self.compiler.tests(tests, self.scope, node, type_))
        return TableIndex(1, [[cell]], self.constant, self.probe, self.indexed).columns[0]

    def cells(self, number: int, clause: Input) -> list[Cell]:
        made: dict[str, Cell] = {}
        cells = []
        for rule in self.table.rules:
            node = rule.inputs[number] if number < len(rule.inputs) else None
            text = (node.text or "").strip() if node is not None else ""
            if text not in made:
                made[text] = self.cell(node, text, clause)
            cells.append(made[text])
        return cells

    def cell(self, node: UnaryTests | None, text: str, clause: Input) -> Cell:
        if node is None or text in ("", "-"):
            return Cell(syntax.UnaryTests(()), None)
        tests = self.compiler.parse_tests(node, self.scope, clause.type)
        if tests is None:
            return Cell(None, lambda env, value: env[1].null("a cell of the table cannot be read"))
        return Cell(tests, self.compiler.tests(tests, self.scope, node, clause.type) if tests.tests else None)

    def output(self, clause: OutputClause) -> Output:
        type_ = self.compiler.type(clause.type_ref, clause.place)
        if self.table.hit_policy in hit_policies.MULTIPLE and self.table.aggregation is None:
            type_ = _element(type_)
        tests = self.tests(clause.values)
        at = clause.values or clause
        allowed = self.compiler.tests(tests, self.scope, at, type_) if tests is not None else None
        ordered = self.order(tests if tests is not None else self.type_tests(type_, clause))
        order = tuple(self.compiler.tests(test, self.scope, at, type_) for test in ordered)
        output = Output(clause.name, type_, allowed, tests, order, None)
        if clause.default is None or not (clause.default.text or "").strip():
            return output
        return Output(clause.name, type_, allowed, tests, order, self.entry(clause.default, output))

    def order(self, tests: syntax.UnaryTests | None) -> list[syntax.UnaryTests]:
        return [] if tests is None or tests.negated else [syntax.UnaryTests((test,)) for test in tests.tests]

    def type_tests(self, type_: AnyType, clause: OutputClause) -> syntax.UnaryTests | None:
        """The allowed values of the column's type order its values where the clause lists none."""
        if self.table.hit_policy not in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
            return None
        text = type_.text if isinstance(type_, ConstrainedType) else ""
        return self.tests(UnaryTests(text=text, place=clause.place))

    def entries(self, number: int, output: Output) -> list[Entry]:
        made: dict[str, Entry] = {}
        entries = []
        for rule in self.table.rules:
            node = rule.outputs[number] if number < len(rule.outputs) else None
            text = node.text or "" if node is not None else ""
            if text not in made:
                made[text] = self.entry(node, output)
            entries.append(made[text])
        return entries

    def entry(self, node: LiteralExpression | None, output: Output) -> Entry:
        if node is None or (node.text or "").strip() in ("", "-"):
            return Entry(None, _null, True, None)
        parsed, code = self.literal(node)
        own = self.compiler.type(node.type_ref, node.place)
        entry = Entry(parsed, code if own == ANY else lambda env: coerce(code(env), own, env[1], "the output"))
        if parsed is None or not self.constant(parsed)[0]:
            return entry
        probe: Env = [None, Run(self.compiler.limits, system_clock)]
        value = _fitting(entry.code(probe), output, probe)
        return entry if probe[1].messages else Entry(parsed, entry.code, True, value)

    def literal(self, node: LiteralExpression) -> tuple[syntax.Expr | None, Code]:
        """A literal expression as syntax and as code. What is no FEEL is reported by the compiler."""
        text = node.text or ""
        if node.language is None and text.strip():
            try:
                parsed = parse_expression(text, self.scope.names, self.compiler.limits)
                return parsed, compile_expression(parsed, self.scope, lambda detail: self.compiler.problem(detail, node.place))
            except (FeelSyntaxError, LimitExceeded):
                pass  # found again, and reported, by the compiler
        return None, self.compiler.expression(node, self.scope)


def _null(env: Env) -> Value:
    return None


def _says_it_all(known: AnyType, written: AnyType) -> bool:
    """Whether a variable of the known type needs no coercion to the written one."""
    if written == ANY:
        return True
    return conforms(known, written) and (known == written or not isinstance(written, ConstrainedType))


def _element(type_: AnyType) -> AnyType:
    """The type of the outputs of a table that gives a list: some editors write the table's type at the column."""
    base = base_of(type_)
    return base.element if isinstance(base, ListType) else type_
