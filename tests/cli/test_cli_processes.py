"""`modelyard lifecycle`: files of life cycles without a server, then life cycles that run on one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cli_guides import Reader, blocks, commands
from cli_yard import People, Run

from modelyard.bpmn import read


@pytest.fixture
def fresh(run: Run, tmp_path: Path) -> Path:
    """The process that `init` wrote."""
    assert run("lifecycle", "init", "model-review", "--folder", str(tmp_path)).code == 0
    return tmp_path / "model-review.bpmn"


def edited(path: Path, before: str, after: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return path


# --- without a server -----------------------------------------------------------------------------------------------------------


def test_a_new_life_cycle_is_sound_tested_and_drawn(run: Run, fresh: Path) -> None:
    linted = run("lifecycle", "lint", str(fresh))
    assert (linted.code, linted.out) == (0, "nothing is wrong\n")
    tested = run("lifecycle", "test", str(fresh), "--least-coverage", "1", "-o", "json")
    assert tested.code == 0
    assert tested.json["passed"] is True
    assert tested.json["coverage"] == {"share": 1.0, "missing": []}
    (process,) = read(fresh.read_bytes()).processes
    drawn = fresh.read_text(encoding="utf-8")
    for element in (*process.body.nodes, *process.body.flows):
        assert f'bpmnElement="{element}"' in drawn


def test_init_overwrites_nothing_and_refuses_what_is_no_name(run: Run, fresh: Path) -> None:
    before = fresh.read_text(encoding="utf-8")
    again = run("lifecycle", "init", "model-review", "--folder", str(fresh.parent))
    assert again.code == 2
    assert "is there already" in again.err
    assert fresh.read_text(encoding="utf-8") == before
    for name in ("", "../x", "a b", '"/><x', "1st"):
        assert run("lifecycle", "init", name, "--folder", str(fresh.parent)).code == 2, name
    assert len(list(fresh.parent.iterdir())) == 4


def test_lint_tells_file_line_element_and_code(run: Run, fresh: Path) -> None:
    edited(
        fresh, "<conditionExpression>failed = 0</conditionExpression>", "<conditionExpression>failed = =</conditionExpression>"
    )
    said = run("lifecycle", "lint", str(fresh))
    line = next(n for n, text in enumerate(fresh.read_text().splitlines(), 1) if 'id="is-sound"' in text)
    assert said.code == 1
    assert said.out.startswith(f"{fresh}:{line}: error: is-sound: ")
    assert said.out.rstrip().endswith("[feel]")
    (row,) = run("lifecycle", "lint", str(fresh), "-o", "json").json
    assert (row["severity"], row["line"], row["element"], row["code"]) == ("error", line, "is-sound", "feel")


def test_lint_of_a_form_that_is_not_there_or_is_none(run: Run, fresh: Path) -> None:
    forms = fresh.with_name("model-review.forms.yaml")
    edited(fresh, 'modelyard:form="review"', 'modelyard:form="revue"')
    edited(forms, "type: object\n  required: [cause]", "type: array\n  required: [cause]")
    found = {row["code"]: row for row in run("lifecycle", "lint", str(fresh), "-o", "json").json}
    assert (found["no-form"]["element"], found["no-form"]["severity"]) == ("review", "error")
    assert found["form"]["file"] == str(forms)
    forms.unlink()
    alone = run("lifecycle", "lint", str(fresh), "-o", "json")
    assert {row["severity"] for row in alone.json} == {"warning"}
    assert alone.code == 0
    assert run("lifecycle", "lint", str(fresh), "--fail-on", "warning").code == 1


def test_lint_of_what_is_no_process(run: Run, fresh: Path, tmp_path: Path) -> None:
    (strange := tmp_path / "strange.bpmn").write_text("<definitions><process")
    said = run("lifecycle", "lint", str(strange), str(fresh), "-o", "json")
    assert said.code == 1
    assert [row["code"] for row in said.json] == ["unreadable"]
    assert run("lifecycle", "lint", str(tmp_path / "no-such-file.bpmn")).code == 2
    assert run("lifecycle", "lint").code == 2
    assert run("lifecycle", "lint", "-", stdin=fresh.read_text()).code == 0


def test_a_scenario_that_fails_is_told_with_its_place_in_the_file(run: Run, fresh: Path) -> None:
    scenarios = edited(fresh.with_name("model-review.scenarios.yaml"), "ends: [accepted]", "ends: [returned]")
    line = next(n for n, text in enumerate(scenarios.read_text().splitlines(), 1) if "completed, ends: [returned]}" in text)
    said = run("lifecycle", "test", str(fresh))
    assert said.code == 1
    assert f"{scenarios}:{line}: step 7 (expect): ends: expected returned, found accepted" in said.out
    assert "3 of 4 scenarios passed" in said.err
    rows = run("lifecycle", "test", str(fresh), "-o", "json").json["scenarios"]
    (failure,) = [failure for row in rows for failure in row["failures"]]
    assert (failure["line"], failure["step"]) == (line, 7)


def test_what_no_scenario_sees_is_told_and_may_be_demanded(run: Run, fresh: Path) -> None:
    whole = yaml.safe_load(fresh.with_name("model-review.scenarios.yaml").read_text())
    (few := fresh.with_name("few.yaml")).write_text(yaml.safe_dump(whole | {"scenarios": whole["scenarios"][:1]}))
    said = run("lifecycle", "test", str(fresh), "--scenarios", str(few))
    assert said.code == 0
    assert "not seen: not-run (line " in said.out
    wanting = run("lifecycle", "test", str(fresh), "--scenarios", str(few), "--least-coverage", "0.9")
    assert wanting.code == 1
    assert "asked for are 90%" in wanting.err
    rest = fresh.with_name("rest.yaml")
    rest.write_text(yaml.safe_dump(whole | {"scenarios": whole["scenarios"][1:]}))
    both = run("lifecycle", "test", str(fresh), "--scenarios", str(few), "--scenarios", str(rest), "--least-coverage", "1")
    assert both.code == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("scenarios: [", 1),
        ("scenarios: [{steps: [{dance: now}]}]", 1),
        ("process: another\nscenarios: [{steps: [{start: {}}]}]", 1),
    ],
)
def test_scenarios_that_are_none_are_told(run: Run, fresh: Path, text: str, code: int) -> None:
    (strange := fresh.with_name("strange.yaml")).write_text(text)
    said = run("lifecycle", "test", str(fresh), "--scenarios", str(strange))
    assert said.code == code
    assert said.err.startswith("error: ")


def test_a_process_without_scenarios_cannot_be_tested(run: Run, fresh: Path) -> None:
    fresh.with_name("model-review.scenarios.yaml").unlink()
    said = run("lifecycle", "test", str(fresh))
    assert said.code == 2
    assert "model-review.scenarios.yaml" in said.err
    assert run("lifecycle", "test", str(fresh), "--least-coverage", "2").code == 2


def test_simulate_tells_lead_time_bottleneck_and_ends(run: Run, fresh: Path) -> None:
    said = run("lifecycle", "simulate", str(fresh), "--runs", "50", "--seed", "4")
    assert said.code == 0
    assert said.out.splitlines()[0] == "model-review: 50 cases in 50 runs"
    assert "bottleneck: Review the version" in said.out
    assert "lead time: median " in said.out
    assert "ends at accepted: " in said.out
    first, second = (run("lifecycle", "simulate", str(fresh), "--runs", "50", "-o", "json").json for _ in range(2))
    assert first == second
    assert first["bottleneck"] == "review"
    assert first["unfinished"] == {}
    assert sum(step["share"] for step in first["steps"]) == pytest.approx(1)


def test_simulate_compares_two_processes(run: Run, fresh: Path, tmp_path: Path) -> None:
    quick = tmp_path / "quick.bpmn"
    quick.write_text(fresh.read_text().replace("exponential(PT8H, P3D)", "PT1H").replace('"uniform(PT1H, PT4H)"', '"PT1H"'))
    words = ("lifecycle", "simulate", str(fresh), "--compare", str(quick), "--runs", "100")
    said = run(*words)
    assert said.code == 0
    assert "shorter by" in said.out.splitlines()[0]
    difference = run(*words, "-o", "json").json["difference"]
    assert difference["paired"] is True
    assert difference["lead"]["told"] is True
    assert difference["lead"]["high"] < 0


def test_simulate_of_other_assumptions(run: Run, fresh: Path, tmp_path: Path) -> None:
    beside = yaml.safe_load(fresh.with_name("model-review.simulation.yaml").read_text())
    (slow := tmp_path / "slow.yaml").write_text(
        yaml.safe_dump(beside | {"durations": {"review": "P20D"}, "rates": {"validator": 10}})
    )
    report = run("lifecycle", "simulate", str(fresh), "--scenario", str(slow), "--runs", "20", "-o", "json").json
    assert report["lead"]["mean"] > 10 * 86400
    assert report["cost"]["mean"] > 1000
    for wrong in ({"speed": 3}, {"durations": {"review": "soon"}}, {"durations": 3}, {"cases": "many"}):
        (strange := tmp_path / "strange.yaml").write_text(yaml.safe_dump(wrong))
        assert run("lifecycle", "simulate", str(fresh), "--scenario", str(strange)).code == 2, wrong
    (strange := tmp_path / "strange.yaml").write_text("durations: {nobody: PT1H}")
    assert run("lifecycle", "simulate", str(fresh), "--scenario", str(strange)).code == 1


def test_cases_that_do_not_end_are_said(run: Run, fresh: Path) -> None:
    fresh.with_name("model-review.simulation.yaml").unlink()
    said = run("lifecycle", "simulate", str(fresh), "--runs", "3")
    assert said.code == 0
    assert "3 of 3 cases did not end" in said.err
    assert run("lifecycle", "simulate", str(fresh), "--runs", "3", "-o", "json").json["lead"]["mean"] is None


def test_what_the_guide_on_files_shows_is_what_happens(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((_, late),) = blocks("add-a-life-cycle.md", "yaml")
    Path("late.yaml").write_text(late, encoding="utf-8")
    reader, shown = Reader(run), commands("add-a-life-cycle.md")
    for each in shown:
        reader.follows(each)
    assert {each.command.split()[2] for each in shown if each.command.startswith("modelyard")} == {
        "init",
        "lint",
        "test",
        "simulate",
    }


def test_what_the_guide_on_running_shows_is_what_happens(
    yard: Run, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for language, name in (("xml", "policy-exception.bpmn"), ("yaml", "policy-exception.forms.yaml")):
        ((_, text),) = blocks("run-a-life-cycle.md", language)
        Path(name).write_text(text, encoding="utf-8")
    reader = Reader(yard, people)
    for each in commands("run-a-life-cycle.md"):
        reader.follows(each)
