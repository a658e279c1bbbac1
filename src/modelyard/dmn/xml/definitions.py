"""A DMN file as a whole: definitions, imports, item definitions and the elements of the requirements graph (DMN 1.5, 6)."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.dmn import model
from modelyard.dmn.errors import InvalidModel, LimitExceeded
from modelyard.dmn.model import Place, Ref
from modelyard.dmn.run import Limits
from modelyard.dmn.xml import boxed
from modelyard.dmn.xml.context import MODEL_NAMESPACES, Reading, normalised
from modelyard.dmn.xml.tree import Node, parse

_SCHEMA = """
allowedAnswers allowedValues annotation annotationEntry artifact association authorityRequirement binding
businessContextElement businessKnowledgeModel column conditional context contextEntry decision decisionMade decisionMaker
decisionOwned decisionOwner decisionService decisionTable defaultOutputEntry definitions description drgElement
elementCollection else encapsulatedDecision encapsulatedLogic every extensionElements filter for formalParameter
functionDefinition functionItem group if impactedPerformanceIndicator impactingDecision import importedElement importedValues
in informationItem informationRequirement input inputData inputDecision inputEntry inputExpression inputValues invocation
itemComponent itemDefinition knowledgeRequirement knowledgeSource list literalExpression match organizationUnit output
outputDecision outputEntry outputValues owner parameter parameters performanceIndicator question relation requiredAuthority
requiredDecision requiredInput requiredKnowledge return row rule satisfies some sourceRef supportedObjective targetRef text
textAnnotation then type typeConstraint typeRef usingProcess usingTask variable
"""
_ELEMENTS = frozenset(_SCHEMA.split())
"""The elements of all versions' schemas."""


def read(source: bytes, file: str | None = None, limits: Limits = Limits()) -> model.Definitions:  # noqa: B008 - frozen
    """A DMN file of the versions 1.1 to 1.5, as it stands: nothing is compiled and nothing else is opened.

    Diagrams, extension elements, annotations and knowledge sources are left out. Raises InvalidModel, with all findings in its
    `problems`, or LimitExceeded."""
    root = parse(source, file, limits, _Wanted())
    version = MODEL_NAMESPACES.get(root.namespace)
    if version is None or root.tag != "definitions":
        raise InvalidModel(_strange(root), file=file, line=root.line)
    reading = Reading(file, root.attributes.get("namespace", "").strip(), root.attributes.get("expressionLanguage"))
    try:
        made = _definitions(root, version, reading)
    except RecursionError:
        raise LimitExceeded("elements are nested too deeply to be read", file=file) from None
    if reading.problems:
        raise _all_of(reading.problems)
    return made


def _all_of(problems: list[InvalidModel]) -> InvalidModel:
    """The first problem in the file, with all of them."""
    ordered = sorted(problems, key=lambda problem: problem.line or 0)
    error = InvalidModel(ordered[0].detail, file=ordered[0].file, element=ordered[0].element, line=ordered[0].line)
    error.problems = tuple(ordered)
    return error


def _strange(root: Node) -> str:
    known = "DMN 1.1 to 1.5"
    if root.tag != "definitions":
        return f"the document begins with <{root.tag[:60]}>, not with <definitions> of {known}"
    if not root.namespace:
        return f"<definitions> has no namespace, so it is not of {known}"
    return f"the namespace {root.namespace[:100]!r} is not that of {known}"


class _Wanted:
    """Leaves out what is not of DMN's schema; refuses what pretends to be."""

    def __init__(self) -> None:
        self.namespace = ""

    def __call__(self, namespace: str, tag: str, root: bool) -> bool | str:
        if root:
            self.namespace = namespace
        elif namespace == self.namespace and namespace in MODEL_NAMESPACES:
            return tag != "extensionElements" if tag in _ELEMENTS else f"<{tag[:60]}> is not an element of DMN"
        elif namespace in MODEL_NAMESPACES:
            return f"<{tag[:60]}> is of DMN {MODEL_NAMESPACES[namespace]}, the document is not"
        elif not namespace:
            return f"<{tag[:60]}> has no namespace"
        return root


def _definitions(root: Node, version: str, reading: Reading) -> model.Definitions:
    reading.required(root, "namespace")
    reading.required(root, "name")
    imports = tuple(_import(child, version, reading) for child in root.all("import"))
    for found in reversed(imports):
        reading.imports[found.namespace] = found.name
    base = boxed.common(root, reading)
    place = base["place"]
    made = model.Definitions(
        **base,
        namespace=reading.namespace,
        version=version,
        expression_language=reading.foreign_language(None),
        imports=imports,
        items=tuple(_item(child, reading, place) for child in root.all("itemDefinition")),
        inputs=tuple(_input_data(child, reading) for child in root.all("inputData")),
        decisions=tuple(_decision(child, reading) for child in root.all("decision")),
        knowledge=tuple(_knowledge(child, reading) for child in root.all("businessKnowledgeModel")),
        services=tuple(_service(child, reading) for child in root.all("decisionService")),
    )
    _distinct(root, made, reading)
    return made


def _distinct(root: Node, made: model.Definitions, reading: Reading) -> None:
    """Names are how expressions speak of things: no two of a kind may have the same (6.3.2; 7.3.2)."""
    graph: Sequence[model.Element] = (*made.inputs, *made.decisions, *made.knowledge, *made.services)
    prefixes = [imported for imported in made.imports if imported.name]
    for elements, what in ((graph, "elements"), (made.items, "item definitions"), (prefixes, "imports")):
        first: dict[str, int | None] = {}
        for element in elements:
            if element.name and element.name in first:
                node = Node("", "", {}, {}, element.place.line or root.line, {})
                detail = f"two {what} have the name {element.name!r}; the first is in line {first[element.name]}"
                reading.problem(node, detail, element.place.element)
            first.setdefault(element.name, element.place.line)


def _import(node: Node, version: str, reading: Reading) -> model.Import:
    """An import (6.3.3). The imports of DMN 1.1 have no name: there the XML prefix of the namespace serves."""
    namespace = reading.required(node, "namespace").strip()
    base = boxed.common(node, reading)
    if version == "1.1" and not base["name"]:
        base["name"] = next((prefix for prefix, uri in node.prefixes.items() if uri == namespace), "")
    elif "name" not in node.attributes:
        reading.required(node, "name")
    import_type = reading.required(node, "importType").strip()
    return model.Import(**base, namespace=namespace, import_type=import_type, location=node.attributes.get("locationURI"))


def _item(node: Node, reading: Reading, above: Place) -> model.ItemDefinition:
    reading.name(node, above.element)
    base = boxed.common(node, reading, above)
    place, written, function = base["place"], node.one("typeRef"), node.one("functionItem")
    if written is not None:
        base["type_ref"] = reading.type_ref(written, written.text)
    return model.ItemDefinition(
        **base,
        components=tuple(_item(child, reading, place) for child in node.all("itemComponent")),
        is_collection=_truth(node, "isCollection", reading),
        allowed=boxed.unary_tests(node.one("allowedValues"), reading, place),
        constraint=boxed.unary_tests(node.one("typeConstraint"), reading, place),
        is_function=function is not None,
        parameters=tuple(boxed.named(child, reading, place) for child in function.all("parameters")) if function else (),
        output_type=reading.type_ref(function, function.attributes.get("outputTypeRef")) if function else None,
    )


def _truth(node: Node, attribute: str, reading: Reading) -> bool:
    written = node.attributes.get(attribute, "false").strip()
    if written not in {"true", "false", "1", "0"}:
        reading.problem(node, f"{attribute} is {written[:40]!r}, not true or false")
    return written in {"true", "1"}


def _typed(node: Node, reading: Reading) -> boxed.Common:
    """The common part of an element of the graph, with the type of its variable."""
    reading.name(node)
    base = boxed.common(node, reading)
    variable = node.one("variable")
    if variable is not None:
        reading.place(variable)
        base["type_ref"] = reading.type_ref(variable, variable.attributes.get("typeRef"))
    return base


def _input_data(node: Node, reading: Reading) -> model.InputData:
    return model.InputData(**_typed(node, reading))


def _decision(node: Node, reading: Reading) -> model.Decision:
    base = _typed(node, reading)
    question, answers = node.one("question"), node.one("allowedAnswers")
    return model.Decision(
        **base,
        question=question.text.strip() if question else "",
        allowed_answers=answers.text.strip() if answers else "",
        requires=_required(node, "informationRequirement", ("requiredDecision", "requiredInput"), reading),
        knowledge=_required(node, "knowledgeRequirement", ("requiredKnowledge",), reading),
        expression=boxed.expression_in(node, reading, base["place"]),
    )


def _required(node: Node, tag: str, targets: tuple[str, ...], reading: Reading) -> tuple[Ref, ...]:
    name = node.attributes.get("id") or normalised(node.attributes.get("name", ""))
    found: list[Ref] = []
    for requirement in node.all(tag):
        reading.place(requirement)
        target = requirement.one(*targets)
        if target is None:
            reading.problem(requirement, f"<{tag}> has no <{'> or <'.join(targets)}>", name)
        else:
            found.append(reading.ref(target, name))
    return tuple(found)


def _knowledge(node: Node, reading: Reading) -> model.BusinessKnowledgeModel:
    base = _typed(node, reading)
    logic = node.one("encapsulatedLogic")
    return model.BusinessKnowledgeModel(
        **base,
        function=boxed.function(logic, reading, base["place"]) if logic else None,
        knowledge=_required(node, "knowledgeRequirement", ("requiredKnowledge",), reading),
    )


def _service(node: Node, reading: Reading) -> model.DecisionService:
    base = _typed(node, reading)

    def refs(tag: str) -> tuple[Ref, ...]:
        return tuple(reading.ref(child, base["place"].element) for child in node.all(tag))

    return model.DecisionService(
        **base,
        output_decisions=refs("outputDecision"),
        encapsulated=refs("encapsulatedDecision"),
        input_decisions=refs("inputDecision"),
        input_data=refs("inputData"),
    )
