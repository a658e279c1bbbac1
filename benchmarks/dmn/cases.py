"""What every side is given: tables of 10, 100 and 1,000 rules over three inputs, and a chain of decisions with a function; as
DMN, as GoRules JDM, as rows for a workbook. Needs nothing but Python, since it is read in the peers' environments too."""

from __future__ import annotations

import random
from typing import Any
from xml.sax.saxutils import escape

SIZES = (10, 100, 1000)
TABLES = {f"table {size}": size for size in SIZES}
CHAIN = "chain"
INPUTS = ("score", "risk", "amount")
MODEL = "https://www.omg.org/spec/DMN/20230324/MODEL/"


def rules(size: int) -> list[tuple[str, str, str, str]]:
    """Bands of the score, two rules each. Written in FEEL, which is what all sides read."""
    width = 2000 // size
    return [
        (
            f"[{number // 2 * width}..{(number // 2 + 1) * width})",
            '"high"' if number % 2 else '"low", "medium"',
            "[1000..40000]" if number % 2 else "<= 50000",
            str(number + 1),
        )
        for number in range(size)
    ]


def requests(case: str, count: int = 200) -> list[dict[str, Any]]:
    """The inputs of so many calls, the same at every asking."""
    given = random.Random(7)
    if case == CHAIN:
        return [
            {
                "income": given.randint(1500, 9000),
                "debt": given.randint(0, 3000),
                "score": given.randint(0, 999),
                "amount": given.randint(1000, 60000),
            }
            for _ in range(count)
        ]
    return [
        {"score": given.randint(0, 999), "risk": given.choice(("low", "medium", "high")), "amount": given.randint(1000, 40000)}
        for _ in range(count)
    ]


# --- DMN ------------------------------------------------------------------------------------------------------------------------

RISK = ((">= 700", "< 0.3", '"low"'), (">= 500", "< 0.4", '"medium"'), (">= 300", "< 0.2", '"medium"'), ("-", "-", '"high"'))
RATE = (('"low"', "0.05"), ('"medium"', "0.08"), ('"high"', "0.12"))
ANSWER = (('"high"', "-", '"decline"'), ("-", "<= 0.4", '"accept"'), ("-", "> 0.4", '"refer"'))


def dmn(case: str) -> tuple[bytes, str]:
    """The file and the name of the decision."""
    if case in TABLES:
        typed = {"score": "number", "risk": "string", "amount": "number"}
        parts = [
            *(_input(*pair) for pair in typed.items()),
            _decision("Rate", _table(INPUTS, rules(TABLES[case])), INPUTS, "number"),
        ]
        return _file(parts), "Rate"
    instalment = (
        '<businessKnowledgeModel id="Instalment" name="Instalment"><variable name="Instalment"/><encapsulatedLogic>'
        '<formalParameter name="a" typeRef="number"/><formalParameter name="r" typeRef="number"/>'
        f"{_literal('a * r / 12 / (1 - (1 + r / 12) ** -36)')}</encapsulatedLogic></businessKnowledgeModel>"
    )
    parts = [_input(name, "number") for name in ("income", "debt", "score", "amount")]
    parts += [
        instalment,
        _decision("Ratio", _literal("debt / income"), ("income", "debt"), "number"),
        _decision("Risk", _table(("score", "Ratio"), RISK), ("score", "Ratio"), "string"),
        _decision("Rate", _table(("Risk",), RATE), ("Risk",), "number"),
        _decision("Payment", _literal("Instalment(amount, Rate)"), ("amount", "Rate"), "number", ("Instalment",)),
        _decision("Answer", _table(("Risk", "Payment / income"), ANSWER), ("Risk", "Payment", "income"), "string"),
    ]
    return _file(parts), "Answer"


def _file(parts: list[str]) -> bytes:
    return f'<definitions xmlns="{MODEL}" name="bench" namespace="urn:bench">{"".join(parts)}</definitions>'.encode()


def _input(name: str, type_: str) -> str:
    return f'<inputData id="{name}" name="{name}"><variable name="{name}" typeRef="{type_}"/></inputData>'


def _literal(text: str) -> str:
    return f"<literalExpression><text>{escape(text)}</text></literalExpression>"


def _decision(name: str, logic: str, needs: tuple[str, ...], type_: str, knowledge: tuple[str, ...] = ()) -> str:
    refs = "".join(
        f'<informationRequirement><required{"Input" if n.islower() else "Decision"} href="#{n}"/></informationRequirement>'
        for n in needs
    )
    refs += "".join(f'<knowledgeRequirement><requiredKnowledge href="#{n}"/></knowledgeRequirement>' for n in knowledge)
    return f'<decision id="{name}" name="{name}"><variable name="{name}" typeRef="{type_}"/>{refs}{logic}</decision>'


def _table(inputs: tuple[str, ...], rows: Any) -> str:
    heads = "".join(f"<input><inputExpression><text>{escape(i)}</text></inputExpression></input>" for i in inputs)
    made = "".join(
        "<rule>"
        + "".join(f"<inputEntry><text>{escape(cell)}</text></inputEntry>" for cell in row[:-1])
        + f"<outputEntry><text>{escape(row[-1])}</text></outputEntry></rule>"
        for row in rows
    )
    return f'<decisionTable hitPolicy="FIRST">{heads}<output/>{made}</decisionTable>'


# --- JDM ------------------------------------------------------------------------------------------------------------------------


def jdm(case: str) -> tuple[dict[str, Any], str]:
    """The graph and the field of the answer."""
    if case in TABLES:
        return _graph([_table_node("rate", INPUTS, rules(TABLES[case]), through=False)]), "rate"
    payment = "amount * rate / 12 / (1 - (1 + rate / 12) ^ -36)"
    nodes = [
        _expressions(ratio="debt / income"),
        _table_node("risk", ("score", "ratio"), RISK),
        _table_node("rate", ("risk",), RATE),
        _expressions(payment=payment),
        _expressions(burden="payment / income"),
        _table_node("answer", ("risk", "burden"), ANSWER),
    ]
    return _graph(nodes), "answer"


def _graph(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    chain = [{"type": "inputNode"}, *nodes, {"type": "outputNode"}]
    for number, node in enumerate(chain):
        node |= {"id": f"n{number}", "name": f"n{number}", "position": {"x": 0, "y": 0}}
    edges = [{"id": f"e{n}", "sourceId": f"n{n}", "targetId": f"n{n + 1}", "type": "edge"} for n in range(len(chain) - 1)]
    return {"contentType": "application/vnd.gorules.decision", "nodes": chain, "edges": edges}


def _expressions(**values: str) -> dict[str, Any]:
    found = [{"id": key, "key": key, "value": value} for key, value in values.items()]
    return {"type": "expressionNode", "content": {"expressions": found, "passThrough": True}}


def _table_node(output: str, inputs: tuple[str, ...], rows: Any, through: bool = True) -> dict[str, Any]:
    made = [
        {"_id": f"r{number}", **{f"i{n}": "" if cell == "-" else cell for n, cell in enumerate(row[:-1])}, "o": row[-1]}
        for number, row in enumerate(rows)
    ]
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": f"i{n}", "name": name, "field": name} for n, name in enumerate(inputs)],
        "outputs": [{"id": "o", "name": output, "field": output}],
        "rules": made,
        "passThrough": through,
    }
    return {"type": "decisionTableNode", "content": content}
