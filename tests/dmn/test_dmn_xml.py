"""DMN files of all versions are read as they stand; what is malformed or hostile is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.dmn import model
from modelyard.dmn.errors import DmnError, InvalidModel, LimitExceeded
from modelyard.dmn.run import Limits
from modelyard.dmn.xml import read
from tests.conftest import examples

MODELS = Path(__file__).parent / "models"
EVERYTHING = (MODELS / "everything.dmn").read_bytes()
OLD = (MODELS / "old.dmn").read_bytes()
DMN15 = "https://www.omg.org/spec/DMN/20230324/MODEL/"
HEAD = f'<definitions xmlns="{DMN15}" namespace="n" name="m">'


def small(inside: str, head: str = HEAD) -> bytes:
    return f"{head}\n{inside}\n</definitions>".encode()


def table(inside: str, attributes: str = "") -> bytes:
    return small(f'<decision name="D" id="d"><decisionTable {attributes}>{inside}</decisionTable></decision>')


def requiring(inside: str) -> bytes:
    return small(f'<decision name="D"><informationRequirement>\n{inside}</informationRequirement></decision>')


def refused(source: bytes, limits: Limits | None = None) -> InvalidModel:
    with pytest.raises(InvalidModel) as caught:
        read(source, "m.dmn", limits or Limits())
    assert caught.value.file == "m.dmn"
    return caught.value


@pytest.fixture(scope="module")
def everything() -> model.Definitions:
    return read(EVERYTHING, "everything.dmn")


def decision(made: model.Definitions, name: str) -> model.Decision:
    return next(found for found in made.decisions if found.name == name)


def test_the_head_of_a_file(everything: model.Definitions) -> None:
    assert (everything.name, everything.id, everything.namespace) == (
        "Everything",
        "_everything",
        "https://example.org/everything",
    )
    assert (everything.version, everything.expression_language) == ("1.5", None)
    assert everything.description == "All that a file may hold."
    imported = everything.imports[0]
    assert (imported.name, imported.namespace, imported.location) == ("types", "https://example.org/types", "types.dmn")


def test_item_definitions(everything: model.Definitions) -> None:
    grade, grades, person, function = everything.items
    assert (grade.name, grade.type_ref, grade.is_collection) == ("tGrade", "string", False)
    assert grade.allowed is not None
    assert grade.allowed.text == '"A", "B"'
    assert (grades.type_ref, grades.is_collection) == ("tGrade", True)
    assert grades.constraint is not None
    assert grades.constraint.text == "count(?) < 5"
    assert [component.name for component in person.components] == ["full name", "home"]
    assert person.components[1].components[0].type_ref == "string"
    assert function.is_function
    assert function.output_type == "number"
    assert [(parameter.name, parameter.type_ref) for parameter in function.parameters] == [("x", "number"), ("y", None)]


def test_the_requirements_graph(everything: model.Definitions) -> None:
    assert [(item.name, item.type_ref) for item in everything.inputs] == [
        ("Applicant Age", "number"),
        ("Person", "types.tPerson"),
    ]
    found = decision(everything, "Table")
    assert (found.id, found.question, found.allowed_answers, found.type_ref) == ("d_table", "Which?", "One of them.", "tGrade")
    assert found.requires == (model.Ref(None, "i_age"), model.Ref("https://example.org/types", "d_other"))
    assert found.knowledge == (model.Ref(None, "b_bkm"),), "the file's own namespace is local"
    knowledge = everything.knowledge[0]
    assert knowledge.type_ref == "tFunction"
    assert knowledge.function is not None
    assert knowledge.function.parameters[0].name == "x"
    assert isinstance(knowledge.function.body, model.LiteralExpression)
    service = everything.services[0]
    assert service.output_decisions == (model.Ref(None, "d_table"),)
    assert service.encapsulated == (model.Ref(None, "d_boxes"),)
    assert service.input_decisions == (model.Ref("https://example.org/types", "d_other"),)
    assert service.input_data == (model.Ref(None, "i_age"),)


def test_a_decision_table(everything: model.Definitions) -> None:
    found = decision(everything, "Table").expression
    assert isinstance(found, model.DecisionTable)
    assert (found.hit_policy, found.aggregation, found.output_label) == (model.HitPolicy.COLLECT, model.Aggregation.MAX, "Grade")
    clause = found.inputs[0]
    assert (clause.label, clause.expression.text, clause.expression.type_ref) == ("Age", "Applicant Age", "number")
    assert clause.values is not None
    assert clause.values.text == ">= 0"
    first, second = found.outputs
    assert (first.name, first.type_ref, second.name, second.default) == ("grade", "tGrade", "why", None)
    assert first.default is not None
    assert first.default.text == '"B"'
    assert found.annotations == ("Remark",)
    rule = found.rules[0]
    assert rule.inputs[0].text == "< 18", "CDATA is text"
    assert [cell.text for cell in rule.outputs] == ['"A"', ' "young" '], "white space is kept"
    assert rule.annotations == ("A minor",)
    assert found.rules[1].outputs[1].text == ""


def test_boxed_expressions(everything: model.Definitions) -> None:
    context = decision(everything, "Boxes").expression
    assert isinstance(context, model.Context)
    values = {entry.name: entry.value for entry in context.entries}
    assert context.entries[0].type_ref == "tGrades"
    list_, relation, function, call = values["list"], values["relation"], values["function"], values["call"]
    assert isinstance(list_, model.ListExpression)
    languages = [item.language for item in list_.items if isinstance(item, model.LiteralExpression)]
    assert languages == [None, "https://example.org/other"]
    assert isinstance(relation, model.Relation)
    assert [column.name for column in relation.columns] == ["a", "b"]
    assert [len(row) for row in relation.rows] == [2]
    assert isinstance(function, model.FunctionDefinition)
    assert (function.kind, function.parameters[0].type_ref) == (model.FunctionKind.JAVA, "number")
    assert isinstance(function.body, model.Context)
    assert isinstance(call, model.Invocation)
    assert [parameter.name for parameter, _ in call.bindings] == ["x"]
    conditional, filter_ = values["if"], values["filter"]
    assert isinstance(conditional, model.Conditional)
    parts = (conditional.condition, conditional.then, conditional.otherwise)
    assert [part.text for part in parts if isinstance(part, model.LiteralExpression)] == ["true", "1", "2"]
    assert isinstance(filter_, model.FilterExpression)
    assert isinstance(filter_.match, model.LiteralExpression)
    assert filter_.match.text == "item > 1"
    loops = [entry.value for entry in context.entries if isinstance(entry.value, model.Iterator)]
    assert [(loop.kind.value, loop.variable) for loop in loops] == [("for", "i"), ("some", "i"), ("every", "i")]
    assert loops[0].source_type == "tGrades"
    assert context.entries[-1].name == "", "an entry without a variable is the result"


def test_every_element_knows_its_place(everything: model.Definitions) -> None:
    lines = EVERYTHING.decode().splitlines()
    found = decision(everything, "Table")
    assert found.place.file == "everything.dmn"
    assert found.place.line is not None
    assert 'id="d_table"' in lines[found.place.line - 1]
    assert isinstance(found.expression, model.DecisionTable)
    assert found.expression.place.element == "d_table", "an element without id and name is known by the one around it"
    assert found.expression.rules[0].inputs[0].place.element == "rule1"


def test_qualified_names_of_old_files_are_resolved_by_their_namespaces() -> None:
    made = read(OLD)
    assert (made.version, made.expression_language) == ("1.1", None)
    assert made.items[0].type_ref == "number"
    assert [item.type_ref for item in made.inputs] == ["tAmount", "lib.tLoan", None]
    assert made.imports[0].name == "lib", "imports of 1.1 have no name: their prefix serves"
    assert made.decisions[0].type_ref == "dayTimeDuration"


@pytest.mark.parametrize(
    ("namespace", "version"),
    [
        ("http://www.omg.org/spec/DMN/20151101/dmn.xsd", "1.1"),
        ("http://www.omg.org/spec/DMN/20180521/MODEL/", "1.2"),
        ("https://www.omg.org/spec/DMN/20191111/MODEL/", "1.3"),
        ("https://www.omg.org/spec/DMN/20211108/MODEL/", "1.4"),
        (DMN15, "1.5"),
    ],
)
def test_each_version_is_known_by_its_namespace(namespace: str, version: str) -> None:
    made = read(EVERYTHING.replace(DMN15.encode(), namespace.encode()))
    assert made.version == version
    assert [found.name for found in made.decisions] == ["Table", "Boxes"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' + small('<inputData name="Größe"/>').decode()
    assert read(text.encode(encoding)).inputs[0].name == "Größe"


@pytest.mark.parametrize("encoding", ["ebcdic-what", "utf-7", "unicode_escape", "idna", "zlib", "shift_jis"])
def test_an_encoding_that_is_not_known_is_refused(encoding: str) -> None:
    assert "encoding" in str(refused(f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + small("")))


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>' + small('<inputData name="&c;"/>')
)
OUTSIDE = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + small(
    '<inputData name="a"><description>&x;</description></inputData>'
)


@pytest.mark.parametrize("source", [BOMB, OUTSIDE, b'<!DOCTYPE d SYSTEM "https://example.org/d.dtd">' + small("")])
def test_document_types_and_entities_are_refused(source: bytes) -> None:
    assert "document type" in refused(source).detail


@pytest.mark.parametrize(
    ("source", "detail", "line"),
    [
        (b"", "not well-formed", 1),
        (b"\x00\x01\x02", "not well-formed", 1),
        (b"<definitions", "not well-formed", 1),
        (HEAD.encode() + b"\n<decision>", "not well-formed", 2),
        (b"<html/>", "begins with <html>", 1),
        (b'<definitions name="m" namespace="n"/>', "has no namespace", 1),
        (b'<definitions xmlns="urn:other" name="m" namespace="n"/>', "'urn:other' is not that of DMN", 1),
        (small("<decission/>"), "<decission> is not an element of DMN", 2),
        (small('<decision xmlns="" name="D"/>'), "<decision> has no namespace", 2),
        (small('<decision xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" name="D"/>'), "is of DMN 1.3", 2),
        (small("", f'<definitions xmlns="{DMN15}" name="m">'), "no namespace", 1),
        (small('<decision id="d"/>'), "<decision> has no name", 2),
        (small('<decision name=" "/>'), "is empty", 2),
        (small('<inputData name="A" id="x"/>\n<inputData name="B" id="x"/>'), "'x' is used a second time; first in line 2", 3),
        (small('<inputData name="A" id="x"/><inputData name="B" id="x"/>'), "used a second time", 2),
        (small('<inputData name="A b"/>\n<decision name="A  b"/>'), "have the name 'A b'", 3),
        (small('<itemDefinition name="t"/>\n<itemDefinition name="t"/>'), "two item definitions have the name 't'", 3),
        (requiring("<requiredInput/>"), "no href", 3),
        (requiring('<requiredInput href="x"/>'), "'x'", 3),
        (small('<decision name="D"><informationRequirement/></decision>'), "has no <requiredDecision>", 2),
        (small('<decision name="D"><context/>\n<list/></decision>'), "more than one expression", 3),
        (small('<import namespace="n2" importType="x"/>'), "<import> has no name", 2),
        (small('<import name="i" importType="x"/>'), "<import> has no namespace", 2),
        (small('<itemDefinition name="t" isCollection="yes"/>'), "not true or false", 2),
        (table('<output/>', 'hitPolicy="SOME"'), "hit policy 'SOME'", 2),
        (table('<output/>', 'aggregation="MEAN"'), "aggregation 'MEAN'", 2),
        (table(""), "no output", 2),
        (table('<output name="a"/><output/>'), "has no name", 2),
        (table('<output name="a"/><output name="a"/>'), "same name", 2),
        (table("<input/><output/>"), "no <inputExpression>", 2),
        (table("<output/>\n<rule/>"), "a rule has 0 <outputEntry>, the table has 1 outputs", 3),
        (table("<output/>\n<rule><inputEntry/><outputEntry/></rule>"), "a rule has 1 <inputEntry>, the table has 0 inputs", 3),
        (small('<decision name="D"><relation><column name="a"/>\n<row/></relation></decision>'), "a row has 0 values", 3),
        (small('<decision name="D"><functionDefinition kind="Ruby"/></decision>'), "'Ruby'", 2),
        (small('<decision name="D"><conditional><if/><then/></conditional></decision>'), "has no <else>", 2),
        (small('<decision name="D"><for><in/><return/></for></decision>'), "no iteratorVariable", 2),
        (small('<decision name="D"><literalExpression><importedValues/></literalExpression></decision>'), "imported values", 2),
        (small('<decision name="D"><invocation><binding/></invocation></decision>'), "no <parameter>", 2),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(source: bytes, detail: str, line: int) -> None:
    error = refused(source)
    assert detail in error.detail
    assert error.line == line


def test_all_findings_are_told_at_once() -> None:
    error = refused(
        small('<decision id="a"/>\n<inputData id="b"/>\n<decision name="D" id="c"><for><in/><return/></for></decision>')
    )
    assert [(problem.element, problem.line) for problem in error.problems] == [("a", 2), ("b", 3), ("c", 4)]


def test_a_file_is_bounded() -> None:
    deep = small('<decision name="D">' + "<list>" * 400 + "</list>" * 400 + "</decision>")
    with pytest.raises(LimitExceeded, match="too deeply"):
        read(deep.replace(b"<list>", b"<list>" * 9).replace(b"</list>", b"</list>" * 9), limits=Limits(nesting=10**6))
    many = small("<inputData/>" * 50)
    with pytest.raises(LimitExceeded, match="nested more than 150 deep"):
        read(deep)
    with pytest.raises(LimitExceeded, match="more than 20 elements"):
        read(many, limits=Limits(elements=20))
    with pytest.raises(LimitExceeded, match="more than 100"):
        read(many, limits=Limits(file_bytes=100))


def problem_of(source: bytes) -> DmnError | None:
    try:
        read(source, "m.dmn")
    except DmnError as error:
        return error
    return None


@settings(max_examples=examples(60, hunt=150), deadline=None)
@given(
    source=st.sampled_from([EVERYTHING, OLD]),
    changes=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 30), st.binary(max_size=6)), min_size=1, max_size=6),
)
def test_no_file_makes_the_reader_raise_anything_else(source: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for at, count, put in changes:
        source = source[: at % len(source)] + put + source[at % len(source) + count :]
    problem = problem_of(source)
    assert problem is None or (problem.detail and problem.file == "m.dmn")


def element(tag: str, attributes: dict[str, str], parts: list[str]) -> str:
    written = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return f"<{tag}{written}>{''.join(parts)}</{tag}>"


TAGS = """
decision inputData itemDefinition decisionTable input output rule inputEntry outputEntry context contextEntry variable text
literalExpression relation column row list for in return if conditional invocation binding parameter import typeRef
"""
ATTRIBUTES = "id name href typeRef hitPolicy aggregation kind iteratorVariable isCollection namespace"
WRITTEN = st.dictionaries(
    st.sampled_from(ATTRIBUTES.split()),
    st.sampled_from(["", "a", "#a", "n#b", "x:y", "UNIQUE", "true", "number", " "]),
    max_size=3,
)


def elements(inside: st.SearchStrategy[list[str]]) -> st.SearchStrategy[str]:
    return st.builds(element, st.sampled_from(TAGS.split()), WRITTEN, inside)


FRAGMENTS = st.recursive(elements(st.just([])), lambda inner: elements(st.lists(inner, max_size=4)), max_leaves=25)


@settings(max_examples=examples(60, hunt=150), deadline=None)
@given(st.lists(FRAGMENTS, max_size=4))
def test_no_arrangement_of_elements_makes_the_reader_raise_anything_else(parts: list[str]) -> None:
    problem = problem_of(small("".join(parts)))
    assert problem is None or (problem.detail and problem.line)
