"""Small decision models, written out: an eligibility table, an offer with a context and dates, a library that is imported."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from modelyard.kinds.compliance import Good
from modelyard.kinds.contract import Batch, Policy
from modelyard.kinds.rules import kind
from modelyard.kinds.rules.predictor import RulesPredictor

NAMESPACE = "https://www.omg.org/spec/DMN/20230324/MODEL/"


def definitions(name: str, body: str, more: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<definitions xmlns="{NAMESPACE}" name="{name}" id="_{name}" '
        f'namespace="https://example.org/{name}"{more}>\n{body}\n</definitions>\n'
    )


def input_data(name: str, type_ref: str) -> str:
    return f'<inputData id="i_{_id(name)}" name="{name}"><variable name="{name}" typeRef="{type_ref}"/></inputData>'


def _id(name: str) -> str:
    return name.replace(" ", "_")


def table(
    name: str,
    inputs: Mapping[str, str],
    rules: list[tuple[str, ...]],
    outputs: Mapping[str, str],
    *,
    requires: tuple[str, ...] = (),
    policy: str = "UNIQUE",
    type_ref: str = "",
    annotations: bool = False,
) -> str:
    """A decision that is one table. `requires` are inputs, or `#decisions`; a rule's last text is its annotation, if any."""
    refs = "".join(
        f'<informationRequirement><requiredDecision href="#d_{_id(r[1:])}"/></informationRequirement>'
        if r.startswith("#")
        else f'<informationRequirement><requiredInput href="#i_{_id(r)}"/></informationRequirement>'
        for r in requires
    )
    columns = "".join(
        f'<input><inputExpression typeRef="{type_}"><text>{text}</text></inputExpression></input>'
        for text, type_ in inputs.items()
    )
    columns += "".join(
        f'<output{f" name={chr(34)}{n}{chr(34)}" if len(outputs) > 1 else ""} typeRef="{type_}"/>' for n, type_ in outputs.items()
    )
    columns += '<annotation name="why"/>' if annotations else ""
    rows = "".join(_rule(f"{_id(name)}_{number}", rule, len(inputs), len(outputs)) for number, rule in enumerate(rules, 1))
    variable = f' typeRef="{type_ref}"' if type_ref else ""
    return (
        f'<decision id="d_{_id(name)}" name="{name}"><variable name="{name}"{variable}/>{refs}'
        f'<decisionTable id="t_{_id(name)}" hitPolicy="{policy}">{columns}{rows}</decisionTable></decision>'
    )


def _rule(id_: str, texts: tuple[str, ...], inputs: int, outputs: int) -> str:
    escaped = [text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for text in texts]
    cells = "".join(f"<inputEntry><text>{text}</text></inputEntry>" for text in escaped[:inputs])
    cells += "".join(f"<outputEntry><text>{text}</text></outputEntry>" for text in escaped[inputs : inputs + outputs])
    cells += "".join(f"<annotationEntry><text>{text}</text></annotationEntry>" for text in escaped[inputs + outputs :])
    return f'<rule id="{id_}">{cells}</rule>'


ITEMS = """
<itemDefinition name="tAge"><typeRef>number</typeRef><allowedValues><text>[0..120]</text></allowedValues></itemDefinition>
<itemDefinition name="tStatus"><typeRef>string</typeRef>
  <allowedValues><text>"employed", "retired", "none"</text></allowedValues></itemDefinition>
<itemDefinition name="tApplicant">
  <itemComponent name="age"><typeRef>tAge</typeRef></itemComponent>
  <itemComponent name="status"><typeRef>tStatus</typeRef></itemComponent>
  <itemComponent name="born"><typeRef>date</typeRef></itemComponent>
</itemDefinition>
<itemDefinition name="tAmounts" isCollection="true"><typeRef>number</typeRef></itemDefinition>
"""

ELIGIBILITY = definitions(
    "Loan",
    ITEMS
    + input_data("Applicant", "tApplicant")
    + input_data("Income", "number")
    + input_data("Member", "boolean")
    + table(
        "Risk",
        {"Applicant.age": "number", "Applicant.status": "string"},
        [("< 25", "-", '"high"'), ("[25..65]", '"employed"', '"low"'), ("[25..65]", 'not("employed")', '"medium"'),
         ("> 65", "-", '"medium"')],
        {"Risk": "string"},
        requires=("Applicant",),
        type_ref="string",
    )
    + table(
        "Eligibility",
        {"Risk": "string", "Income": "number", "Member": "boolean"},
        [
            ('"low"', ">= 3000", "-", '"ELIGIBLE"', "standard case"),
            ('"medium"', ">= 5000", "-", '"ELIGIBLE"', ""),
            ('"high", "medium"', "< 5000", "true", '"REFER"', "members are looked at"),
            ("-", "-", "-", '"REFUSED"', ""),
        ],
        {"Eligibility": "string"},
        requires=("#Risk", "Income", "Member"),
        policy="FIRST",
        type_ref="string",
        annotations=True,
    ),
)  # fmt: skip

OFFER = definitions(
    "Offer",
    ITEMS
    + input_data("Amounts", "tAmounts")
    + input_data("When", "date")
    + table(
        "Offer",
        {"sum(Amounts)": "number", "When": "date"},
        [("< 1000", "-", "0.05", "false", '"small"'), (">= 1000", 'date("2024-01-01")', "0.03", "true", '"new year"'),
         (">= 1000", 'not(date("2024-01-01"))', "0.04", "false", '"large"')],
        {"rate": "number", "gift": "boolean", "label": "string"},
        requires=("Amounts", "When"),
    ),
)  # fmt: skip

FEES = definitions(
    "Fees",
    input_data("Kind", "string")
    + input_data("Amount", "number")
    + table(
        "Fees",
        {"Kind": "string", "Amount": "number"},
        [('"card"', "-", "5"), ("-", "> 100", "7"), ("-", "-", "1")],
        {"Fees": "number"},
        requires=("Kind", "Amount"),
        policy='COLLECT" aggregation="SUM',
        type_ref="number",
    ),
)

LIBRARY = definitions(
    "Library",
    '<businessKnowledgeModel id="b_twice" name="twice"><variable name="twice"/><encapsulatedLogic><formalParameter name="x" '
    'typeRef="number"/><literalExpression><text>2 * x</text></literalExpression></encapsulatedLogic></businessKnowledgeModel>',
)
IMPORTING = definitions(
    "Importing",
    f'<import namespace="https://example.org/Library" name="lib" importType="{NAMESPACE}"/>'
    + input_data("Amount", "number")
    + '<decision id="d_Double" name="Double"><variable name="Double" typeRef="number"/>'
    '<informationRequirement><requiredInput href="#i_Amount"/></informationRequirement>'
    '<knowledgeRequirement><requiredKnowledge href="https://example.org/Library#b_twice"/></knowledgeRequirement>'
    "<literalExpression><text>lib.twice(Amount)</text></literalExpression></decision>",
)
EXAMPLES = (
    "Applicant.age,Applicant.status,Income,Member,expect Eligibility\n40,employed,4000,false,ELIGIBLE\n20,none,100,true,REFER\n"
)


def texts(*values: str | None) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def flags(*values: bool | None) -> np.ndarray:
    return np.array(values) if None not in values else texts(*values)  # type: ignore[arg-type]


ELIGIBLE_SAMPLE: Batch = {
    "Applicant.age": np.array([40.0, 70.0, 20.0, 20.0, 30.0]),
    "Applicant.status": texts("employed", "retired", "none", "none", "retired"),
    "Applicant.born": texts("1984-02-03", "1954-02-03", "2004-02-03", None, "1994-02-03"),
    "Income": np.array([4000.0, 6000.0, 100.0, 100.0, 100.0]),
    "Member": np.array([False, False, True, False, True]),
}
OFFER_SAMPLE: Batch = {
    "Amounts": texts("[1, 2.5]", "[1000, 1]", "[5000]"),
    "When": texts("2024-03-01", "2024-01-01", "2024-03-01"),
}
FEES_SAMPLE: Batch = {"Kind": texts("card", "card", "cash"), "Amount": np.array([10.0, 200.0, 10.0])}


def bundle(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def predictor(path: Path) -> RulesPredictor:
    found = kind.inspect(path, Policy())
    assert found.signature is not None
    made = kind.load(path, found, found.signature, Policy())
    assert isinstance(made, RulesPredictor)
    return made


def good(path: Path, sample: Batch, expected: Batch) -> Good:
    signature = kind.inspect(path, Policy()).signature
    assert signature is not None
    return Good(path, sample, signature, expected)
