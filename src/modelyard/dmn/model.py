"""A DMN file as read, before anything is compiled. Names follow the specification's metamodel (DMN 1.5, 6 to 10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element stands: `element` is its id, else its name."""

    file: str | None = None
    element: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """`type_ref` is as written, with an import's prefix as a dotted name ("tns.tLoan"); the "" and "Undefined" of old
    files become None."""

    id: str | None = None
    name: str = ""
    label: str = ""
    description: str = ""
    type_ref: str | None = None
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference by href: `namespace` None is this file."""

    namespace: str | None
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteralExpression(Element):
    """`language` is the URI of the expression language if it is not FEEL; `imported` when the text comes from elsewhere."""

    text: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnaryTests(Element):
    text: str | None = None
    language: str | None = None


class HitPolicy(StrEnum):
    UNIQUE = "UNIQUE"
    FIRST = "FIRST"
    PRIORITY = "PRIORITY"
    ANY = "ANY"
    COLLECT = "COLLECT"
    RULE_ORDER = "RULE ORDER"
    OUTPUT_ORDER = "OUTPUT ORDER"


class Aggregation(StrEnum):
    SUM = "SUM"
    COUNT = "COUNT"
    MIN = "MIN"
    MAX = "MAX"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputClause(Element):
    expression: LiteralExpression
    values: UnaryTests | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputClause(Element):
    """`name` is "" in a table with one output."""

    values: UnaryTests | None = None
    default: LiteralExpression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Element):
    """`annotations` in the order of the table's annotation clauses."""

    inputs: tuple[UnaryTests, ...] = ()
    outputs: tuple[LiteralExpression, ...] = ()
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTable(Element):
    inputs: tuple[InputClause, ...] = ()
    outputs: tuple[OutputClause, ...] = ()
    annotations: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    hit_policy: HitPolicy = HitPolicy.UNIQUE
    aggregation: Aggregation | None = None
    output_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEntry(Element):
    """`name` is the variable's name; "" is the result entry. `type_ref` is the variable's."""

    value: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Element):
    entries: tuple[ContextEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation(Element):
    """`columns` are names and types; each row has an expression a column."""

    columns: tuple[Element, ...] = ()
    rows: tuple[tuple[Expression | None, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExpression(Element):
    items: tuple[Expression | None, ...] = ()


class FunctionKind(StrEnum):
    FEEL = "FEEL"
    JAVA = "Java"
    PMML = "PMML"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefinition(Element):
    parameters: tuple[Element, ...] = ()
    body: Expression | None = None
    kind: FunctionKind = FunctionKind.FEEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation(Element):
    """`bindings` are parameter names and expressions."""

    function: Expression | None = None
    bindings: tuple[tuple[Element, Expression | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional(Element):
    condition: Expression | None = None
    then: Expression | None = None
    otherwise: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterExpression(Element):
    source: Expression | None = None
    match: Expression | None = None


class IteratorKind(StrEnum):
    FOR = "for"
    SOME = "some"
    EVERY = "every"


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterator(Element):
    kind: IteratorKind
    variable: str = ""
    source: Expression | None = None
    source_type: str | None = None
    body: Expression | None = None


Expression = (
    LiteralExpression | DecisionTable | Context | Relation | ListExpression | FunctionDefinition | Invocation | Conditional
    | FilterExpression | Iterator
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDefinition(Element):
    """`type_ref` is the base; or `components`; or a function's `parameters` and `output_type`. `allowed` is the text of the
    allowedValues, `constraint` that of the typeConstraint (1.5)."""

    components: tuple[ItemDefinition, ...] = ()
    is_collection: bool = False
    allowed: UnaryTests | None = None
    constraint: UnaryTests | None = None
    is_function: bool = False
    parameters: tuple[Element, ...] = ()
    output_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputData(Element):
    """`type_ref` is the variable's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Element):
    """`requires` are decisions and input data, `knowledge` functions (models and services). `type_ref` is the variable's."""

    question: str = ""
    allowed_answers: str = ""
    requires: tuple[Ref, ...] = ()
    knowledge: tuple[Ref, ...] = ()
    expression: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessKnowledgeModel(Element):
    """`type_ref` is the variable's: of the function, or in old models of its result."""

    function: FunctionDefinition | None = None
    knowledge: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionService(Element):
    output_decisions: tuple[Ref, ...] = ()
    encapsulated: tuple[Ref, ...] = ()
    input_decisions: tuple[Ref, ...] = ()
    input_data: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(Element):
    """`name` is the prefix under which the other model's names are known here; `import_type` its language."""

    namespace: str = ""
    import_type: str = ""
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions(Element):
    """One file. `version` is that of DMN, "1.1" to "1.5"."""

    namespace: str = ""
    version: str = "1.5"
    expression_language: str | None = None
    imports: tuple[Import, ...] = ()
    items: tuple[ItemDefinition, ...] = ()
    inputs: tuple[InputData, ...] = ()
    decisions: tuple[Decision, ...] = ()
    knowledge: tuple[BusinessKnowledgeModel, ...] = ()
    services: tuple[DecisionService, ...] = ()
