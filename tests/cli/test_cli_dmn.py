"""`modelyard dmn`: decision models on files, without a server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from cli_yard import Run

XMLNS = "https://www.omg.org/spec/DMN/20230324/MODEL/"
INPUTS = ("Applicant", "tApplicant"), ("Income", "number")


def rule(id_: str, *cells: str) -> str:
    *conditions, output = (cell.replace("<", "&lt;").replace(">", "&gt;") for cell in cells)
    inputs = "".join(f"<inputEntry><text>{text}</text></inputEntry>" for text in conditions)
    return f'<rule id="{id_}">{inputs}<outputEntry><text>{output}</text></outputEntry></rule>'


def loan(*rules: tuple[str, ...]) -> str:
    """A model with two decisions: a table over age and income, and the rate that follows from it."""
    data = "\n".join(f'<inputData id="i_{n}" name="{n}"><variable name="{n}" typeRef="{t}"/></inputData>' for n, t in INPUTS)
    needs = "".join(f'<informationRequirement><requiredInput href="#i_{n}"/></informationRequirement>' for n, _ in INPUTS)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="{XMLNS}" name="Loan" namespace="https://example.org/loan">
<itemDefinition name="tApplicant"><itemComponent name="age"><typeRef>number</typeRef></itemComponent>
<itemComponent name="born"><typeRef>date</typeRef></itemComponent></itemDefinition>
{data}
<decision id="d_risk" name="Risk"><variable name="Risk" typeRef="string"/>{needs}
<decisionTable id="t_risk" hitPolicy="UNIQUE">
<input><inputExpression typeRef="number"><text>Applicant.age</text></inputExpression></input>
<input><inputExpression typeRef="number"><text>Income</text></inputExpression></input>
<output typeRef="string"/>
{"".join(rule(f"r{number}", *cells) for number, cells in enumerate(rules, 1))}
</decisionTable></decision>
<decision id="d_rate" name="Rate of interest"><variable name="Rate of interest" typeRef="number"/>
<informationRequirement><requiredDecision href="#d_risk"/></informationRequirement>
<literalExpression><text>if Risk = "low" then 0.01 else 0.1</text></literalExpression></decision>
</definitions>
"""


WHOLE = (("< 25", "-", '"high"'), (">= 25", ">= 1000", '"low"'), (">= 25", "< 1000", '"high"'))


@pytest.fixture
def model(tmp_path: Path) -> str:
    (path := tmp_path / "loan.dmn").write_text(loan(*WHOLE))
    return str(path)


def test_eval_answers_with_the_decisions_that_no_other_requires(run: Run, model: str) -> None:
    said = run("dmn", "eval", model, "--input", "Applicant.age=40", "-i", "Income=1000.0")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[1].split() == ["Rate", "of", "interest", "0.01"]


def test_eval_of_named_decisions_with_their_trace_as_json(run: Run, model: str) -> None:
    words = ("-d", "Risk", "-d", "d_rate", "-i", "Applicant.age=40", "-i", "Applicant.born=1984-02-03", "-i", "Income=12.50")
    said = run("dmn", "eval", model, *words, "--trace", "-o", "json")
    assert said.json["answers"] == {"Risk": "high", "Rate of interest": 0.1}
    assert said.json["because"] == [
        'Rule 3 of \'Risk\' fired: Applicant.age 40 ≥ 25, Income 12.50 < 1000 → "high"', "'Rate of interest' is 0.1",
    ]  # fmt: skip
    (node,) = said.json["trace"]["Risk"]
    assert node["tables"][0]["rules"] == [{"rule": 3, "outputs": {"": "high"}, "note": ""}]


def test_eval_of_many_rows_from_every_kind_of_file(run: Run, model: str, tmp_path: Path) -> None:
    rows = [{"Applicant": {"age": 20, "born": "2004-01-01"}, "Income": 1}, {"Applicant": {"age": 30}, "Income": 5000}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "rows.csv").write_text("Applicant.age,Applicant.born,Income\n20,2004-01-01,1\n30,,5000\n")
    flat = pa.table({"Applicant.age": [20, 30], "Income": [1.0, 5000.0]})
    pq.write_table(flat, tmp_path / "rows.parquet")
    for name in ("rows.json", "rows.csv", "rows.parquet"):
        said = run("dmn", "eval", model, "-d", "Risk", "--data", str(tmp_path / name), "-o", "json")
        assert [row["answers"]["Risk"] for row in said.json] == ["high", "low"], name
    shown = run("dmn", "eval", model, "-d", "Risk", "-d", "Rate of interest", "--data", str(tmp_path / "rows.csv"))
    assert [line.split() for line in shown.out.splitlines()] == [
        ["ROW", "RISK", "RATE-OF-INTEREST"], ["1", "high", "0.1"], ["2", "low", "0.01"],
    ]  # fmt: skip
    over = run("dmn", "eval", model, "-d", "Risk", "--data", str(tmp_path / "rows.csv"), "-i", "Applicant.age=19", "-o", "yaml")
    assert [row["answers"]["Risk"] for row in yaml.safe_load(over.out)] == ["high", "high"]


def test_model_or_data_may_come_from_stdin_but_not_both(run: Run, model: str) -> None:
    text = Path(model).read_text()
    assert run("dmn", "eval", "-", "-i", "Applicant.age=1", "-o", "json", stdin=text).json["answers"] == {"Rate of interest": 0.1}
    said = run("dmn", "eval", model, "--data", "-", "-o", "json", stdin='{"Income": 5, "Applicant": {"age": 90}}')
    assert said.json[0]["answers"] == {"Rate of interest": 0.1}
    assert run("dmn", "eval", "-", "--data", "-", stdin=text).code == 2


def test_json_keeps_every_digit(run: Run, tmp_path: Path) -> None:
    text = loan(*WHOLE).replace("then 0.01 else 0.1", "then 0.01 else 0.1234567890123456789012345678")
    (path := tmp_path / "exact.dmn").write_text(text)
    assert "0.1234567890123456789012345678" in run("dmn", "eval", str(path), "-o", "json").out


def test_what_becomes_null_is_told_on_stderr(run: Run, model: str) -> None:
    said = run("dmn", "eval", model, "-d", "Risk", "-i", "Income=much")
    assert said.code == 0
    assert said.out.splitlines()[1].split() == ["Risk", "null"]
    assert "while evaluating" in said.err


def test_explain_tells_the_rules_that_fired_in_words(run: Run, model: str) -> None:
    said = run("dmn", "explain", model, "-d", "Risk", "-i", "Applicant.age=24", "-i", "Income=3")
    assert said.out.splitlines() == ["Rule 1 of 'Risk' fired: Applicant.age 24 < 25 → \"high\".", "Risk: high"]
    silent = run("dmn", "explain", model, "-d", "Risk", "-o", "json").json
    assert silent["answers"] == {"Risk": None}
    assert silent["because"][0].startswith("No rule of 'Risk' fired for Applicant.age = null")


def test_check_of_a_sound_model_finds_nothing_grave(run: Run, model: str) -> None:
    said = run("dmn", "check", model, "-o", "json")
    assert said.code == 0
    assert [row for row in said.json if row["severity"] == "error"] == []
    assert "0 errors" in said.err


def test_check_tells_findings_with_their_place_and_an_example_that_proves_them(run: Run, tmp_path: Path) -> None:
    (path := tmp_path / "overlap.dmn").write_text(loan(("< 30", "-", '"high"'), *WHOLE[1:]))
    said = run("dmn", "check", str(path), "-o", "json")
    assert said.code == 1
    found = next(row for row in said.json if row["code"] == "overlap")
    assert (found["file"], found["where"], found["rules"][0]) == ("overlap.dmn", "Risk", 1)
    assert found["line"] > 1
    age = float(re.search(r"Applicant\.age = ([\d.]+)", found["example"]).group(1))  # type: ignore[union-attr]
    assert 25 <= age < 30
    shown = run("dmn", "check", str(path)).out.splitlines()
    assert shown[0].startswith(f"error: overlap.dmn:{found['line']}: Risk, rules 1, 2: ")
    assert shown[0].endswith(" [overlap]")
    assert "✕ error" in run("dmn", "check", str(path), "-o", "wide").out


def test_check_may_fail_on_warnings_too(run: Run, tmp_path: Path) -> None:
    (path := tmp_path / "gap.dmn").write_text(loan(WHOLE[0], WHOLE[1]))
    assert run("dmn", "check", str(path)).code == 0
    said = run("dmn", "check", str(path), "--fail-on", "warning", "-o", "json")
    assert said.code == 1
    assert "gap" in {row["code"] for row in said.json}


def test_check_tells_broken_expressions_and_broken_files(run: Run, tmp_path: Path) -> None:
    (broken := tmp_path / "broken.dmn").write_text(loan(("< + ", "-", '"high"'), ("-", "-", '"low')))
    said = run("dmn", "check", str(broken), "-o", "json")
    assert said.code == 1
    problems = [row for row in said.json if row["code"] == "problem"]
    assert {row["file"] for row in problems} == {"broken.dmn"}
    assert len(problems) == 2
    assert all(row["line"] > 5 for row in problems)
    (cut := tmp_path / "cut.dmn").write_text(loan(*WHOLE)[:900])
    said = run("dmn", "check", str(cut), "-o", "json")
    assert said.code == 1
    assert said.json[0]["file"] == "cut.dmn"


EXAMPLES = "# what,Applicant.age,Income,expect Risk,expect Rate of interest\nyoung,20,,high,0.1\nrich,30,5000,low,0.01\n"


def test_examples_that_agree_and_what_they_cover(run: Run, model: str, tmp_path: Path) -> None:
    (path := tmp_path / "examples.csv").write_text(EXAMPLES)
    said = run("dmn", "test", model, str(path), "-o", "json")
    assert said.code == 0
    assert said.json["failed"] == []
    assert said.json["tables"][0]["silent"] == [3]
    assert said.json["rule_share"] == pytest.approx(2 / 3)
    few = run("dmn", "test", model, str(path), "--min-coverage", "0.9")
    assert few.code == 1
    assert "90.0%" in few.err
    assert run("dmn", "test", model, str(path), "--min-coverage", "0.6").code == 0


def test_examples_that_do_not_agree_are_told(run: Run, model: str, tmp_path: Path) -> None:
    (path := tmp_path / "examples.csv").write_text(EXAMPLES + "wrong,30,1,low,0.01\n")
    said = run("dmn", "test", model, str(path))
    assert said.code == 1
    line = next(line for line in said.out.splitlines() if "wrong" in line and "Risk" in line)
    assert line.split()[:4] == ["examples.csv", "4", "wrong", "expect"]
    assert "low" in line
    assert "high" in line
    assert "2 of 3 examples agree" in said.err


def test_examples_may_be_test_cases_of_the_kit(run: Run, model: str, tmp_path: Path) -> None:
    five, thirty = (f'<value xsi:type="xsd:decimal">{number}</value>' for number in (5, 30))
    (path := tmp_path / "cases.xml").write_text(
        '<testCases xmlns="http://www.omg.org/spec/DMN/20160719/testcase" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><modelName>loan.dmn</modelName><testCase id="1">'
        f'<inputNode name="Income">{five}</inputNode>'
        f'<inputNode name="Applicant"><component name="age">{thirty}</component>'
        '<component name="born"><value xsi:nil="true"/></component></inputNode>'
        '<resultNode name="Risk"><expected><value>high</value></expected></resultNode></testCase></testCases>'
    )
    said = run("dmn", "test", model, str(path), "-o", "json")
    assert said.code == 0, said.err + said.out
    assert said.json["examples"] == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("eval",), "at least one file"),
        (("eval", "no-such.dmn"), "no-such.dmn cannot be read"),
        (("eval", "MODEL", "-d", "Nothing"), "no decision 'Nothing'"),
        (("eval", "MODEL", "-i", "Agee=3"), "no input 'Agee'"),
        (("eval", "MODEL", "-i", "Applicant.agee=3"), "no entry 'agee'"),
        (("eval", "MODEL", "-i", "Income"), "not NAME=VALUE"),
        (("eval", "MODEL", "--data", "no-such.json"), "cannot be read"),
        (("test", "MODEL"), "a model and examples"),
        (("test", "MODEL", "MODEL", "--min-coverage", "90"), "not between 0 and 1"),
        (("explain", "MODEL", "-o", "xml"), "xml"),
    ],
)
def test_wrong_usage_of_dmn_ends_with_2_and_says_what_to_do(run: Run, model: str, words: tuple[str, ...], told: str) -> None:
    said = run("dmn", *(model if word == "MODEL" else word for word in words))
    assert (said.code, said.out) == (2, "")
    assert told in said.err


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "{"), ("a.json", "[3]"), ("a.csv", "Income\n1,2\n"), ("a.json", "\xff"), ("a.parquet", "PAR1")],
)
def test_data_that_is_none_is_wrong_usage(run: Run, model: str, tmp_path: Path, name: str, content: str) -> None:
    (path := tmp_path / name).write_bytes(content.encode("latin-1"))
    said = run("dmn", "eval", model, "--data", str(path))
    assert (said.code, said.out) == (2, "")
    assert name in said.err


def test_a_model_as_code_need_not_say_that_it_is_rules(model: str, tmp_path: Path) -> None:
    from modelyard.cli.register import kind_of

    assert kind_of(Path(model)) == "rules"
    (unknown := tmp_path / "novel.txt").write_text("It was a dark and stormy night.\n")
    assert kind_of(unknown) == "ml"


def test_a_model_that_cannot_be_loaded_is_told_with_its_place(run: Run, tmp_path: Path) -> None:
    (path := tmp_path / "broken.dmn").write_text(loan(("< + ", "-", '"high"')))
    said = run("dmn", "eval", str(path), "-o", "json")
    assert said.code == 1
    error = json.loads(said.err)
    assert error["code"] == "invalid_artifact"
    assert re.fullmatch(r"broken\.dmn, line \d+, element r1", error["field"])
    assert "modelyard dmn check" in error["hint"]


def test_what_became_null_is_told_with_an_explanation_too(run: Run, model: str) -> None:
    said = run("dmn", "explain", model, "-i", "Income=many")
    assert "while evaluating: input 'Income'" in said.err
