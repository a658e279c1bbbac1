"""DMN files written in a line or two, for tests."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

NAMESPACE = "https://www.omg.org/spec/DMN/20230324/MODEL/"


def definitions(*parts: str, namespace: str = "urn:test", name: str = "test") -> bytes:
    """A DMN 1.5 file of these parts."""
    head = f'<definitions xmlns="{NAMESPACE}" name={quoteattr(name)} namespace={quoteattr(namespace)}>'
    return "\n".join([head, *parts, "</definitions>"]).encode()


def input_data(name: str, type_: str = "") -> str:
    typed = f" typeRef={quoteattr(type_)}" if type_ else ""
    return f"<inputData id={quoteattr('i_' + name)} name={quoteattr(name)}><variable name={quoteattr(name)}{typed}/></inputData>"


def literal(text: str) -> str:
    return f"<literalExpression><text>{escape(text)}</text></literalExpression>"


def decision(name: str, logic: str, *requires: str, type_: str = "", knowledge: tuple[str, ...] = ()) -> str:
    """A decision that requires elements by id (`i_x`, `d_x`); `logic` is XML, or FEEL if it does not begin with `<`."""
    typed = f" typeRef={quoteattr(type_)}" if type_ else ""
    needs = [
        f'<informationRequirement><required{"Input" if r.startswith("i_") else "Decision"} href="#{r}"/></informationRequirement>'
        for r in requires
    ]
    needs += [f'<knowledgeRequirement><requiredKnowledge href="#{r}"/></knowledgeRequirement>' for r in knowledge]
    logic = logic if logic.startswith("<") else literal(logic)
    head = f"<decision id={quoteattr('d_' + name)} name={quoteattr(name)}><variable name={quoteattr(name)}{typed}/>"
    return "".join([head, *needs, logic, "</decision>"])


def function(name: str, parameters: tuple[str, ...], body: str, knowledge: tuple[str, ...] = ()) -> str:
    """A business knowledge model."""
    formal = "".join(f"<formalParameter name={quoteattr(p)}/>" for p in parameters)
    needs = "".join(f'<knowledgeRequirement><requiredKnowledge href="#{r}"/></knowledgeRequirement>' for r in knowledge)
    head = f"<businessKnowledgeModel id={quoteattr('b_' + name)} name={quoteattr(name)}><variable name={quoteattr(name)}/>"
    return f"{head}<encapsulatedLogic>{formal}{literal(body)}</encapsulatedLogic>{needs}</businessKnowledgeModel>"


def table(
    inputs: tuple[str, ...], rules: tuple[tuple[str, ...], ...], *, outputs: tuple[str, ...] = ("",), policy: str = "UNIQUE"
) -> str:
    """A decision table: input expressions, rules of input cells then output cells."""
    heads = "".join(f"<input><inputExpression><text>{escape(text)}</text></inputExpression></input>" for text in inputs)
    heads += "".join(f"<output name={quoteattr(name)}/>" if name else "<output/>" for name in outputs)
    rows = []
    for cells in rules:
        tests = "".join(f"<inputEntry><text>{escape(c)}</text></inputEntry>" for c in cells[: len(inputs)])
        results = "".join(f"<outputEntry><text>{escape(c)}</text></outputEntry>" for c in cells[len(inputs) :])
        rows.append(f"<rule>{tests}{results}</rule>")
    return f"<decisionTable hitPolicy={quoteattr(policy)}>{heads}{''.join(rows)}</decisionTable>"


def item(name: str, base: str = "", *parts: str, allowed: str = "", constraint: str = "", many: bool = False) -> str:
    """An item definition of a base type, or of components (`part`)."""
    return _typed("itemDefinition", name, base, parts, allowed, constraint, many)


def part(name: str, base: str = "", *parts: str, allowed: str = "", constraint: str = "", many: bool = False) -> str:
    """A component of an item definition."""
    return _typed("itemComponent", name, base, parts, allowed, constraint, many)


def _typed(tag: str, name: str, base: str, parts: tuple[str, ...], allowed: str, constraint: str, many: bool) -> str:
    inside = f"<typeRef>{escape(base)}</typeRef>" if base else ""
    inside += f"<allowedValues><text>{escape(allowed)}</text></allowedValues>" if allowed else ""
    inside += f"<typeConstraint><text>{escape(constraint)}</text></typeConstraint>" if constraint else ""
    collection = ' isCollection="true"' if many else ""
    return f"<{tag} name={quoteattr(name)}{collection}>{inside}{''.join(parts)}</{tag}>"


def service(
    name: str,
    outputs: tuple[str, ...],
    *,
    encapsulated: tuple[str, ...] = (),
    decisions: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
    type_: str = "",
) -> str:
    """A decision service, of elements by id; `decisions` and `inputs` are what its caller gives."""
    groups = (
        ("outputDecision", outputs),
        ("encapsulatedDecision", encapsulated),
        ("inputDecision", decisions),
        ("inputData", inputs),
    )
    refs = "".join(f'<{tag} href="#{id_}"/>' for tag, ids in groups for id_ in ids)
    head = f"<decisionService id={quoteattr('s_' + name)} name={quoteattr(name)}><variable name={quoteattr(name)}{_type(type_)}/>"
    return f"{head}{refs}</decisionService>"


def boxed(text: str, type_: str = "") -> str:
    """A literal expression, its type said."""
    return f"<literalExpression{_type(type_)}><text>{escape(text)}</text></literalExpression>"


def context(*entries: tuple[str, ...], type_: str = "") -> str:
    """A boxed context of (name, logic) or (name, logic, type); the entry with an empty name is the result."""
    made = []
    for name, logic, *types in entries:
        variable = f"<variable name={quoteattr(name)}{_type(*types)}/>" if name else ""
        made.append(f"<contextEntry>{variable}{_logic(logic)}</contextEntry>")
    return f"<context{_type(type_)}>{''.join(made)}</context>"


def lambda_(parameters: tuple[tuple[str, str], ...], body: str, type_: str = "") -> str:
    """A boxed function of (name, type) parameters."""
    formal = "".join(f"<formalParameter name={quoteattr(n)}{_type(t)}/>" for n, t in parameters)
    return f"<functionDefinition{_type(type_)}>{formal}{_logic(body)}</functionDefinition>"


def knowledge(
    name: str, parameters: tuple[tuple[str, str], ...], body: str, *, type_: str = "", needs: tuple[str, ...] = ()
) -> str:
    """A business knowledge model of (name, type) parameters."""
    formal = "".join(f"<formalParameter name={quoteattr(n)}{_type(t)}/>" for n, t in parameters)
    refs = "".join(f'<knowledgeRequirement><requiredKnowledge href="#{r}"/></knowledgeRequirement>' for r in needs)
    head = f"<businessKnowledgeModel id={quoteattr('b_' + name)} name={quoteattr(name)}>"
    variable = f"<variable name={quoteattr(name)}{_type(type_)}/>"
    return f"{head}{variable}<encapsulatedLogic>{formal}{_logic(body)}</encapsulatedLogic>{refs}</businessKnowledgeModel>"


def invocation(function: str, *bindings: tuple[str, str], type_: str = "") -> str:
    """A boxed invocation of a function by its name."""
    bound = "".join(f"<binding><parameter name={quoteattr(n)}/>{_logic(logic)}</binding>" for n, logic in bindings)
    return f"<invocation{_type(type_)}>{literal(function)}{bound}</invocation>"


def relation(columns: tuple[tuple[str, str], ...], *rows: tuple[str, ...], type_: str = "") -> str:
    """A boxed relation of (name, type) columns."""
    heads = "".join(f"<column name={quoteattr(n)}{_type(t)}/>" for n, t in columns)
    cells = "".join(f"<row>{''.join(map(_logic, row))}</row>" for row in rows)
    return f"<relation{_type(type_)}>{heads}{cells}</relation>"


def list_of(*items: str, type_: str = "") -> str:
    """A boxed list."""
    return f"<list{_type(type_)}>{''.join(map(_logic, items))}</list>"


def _logic(logic: str) -> str:
    return logic if logic.startswith("<") else literal(logic)


def _type(name: str = "") -> str:
    return f" typeRef={quoteattr(name)}" if name else ""
