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
