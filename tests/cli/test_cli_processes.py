"""`modelyard lifecycle`: files of life cycles without a server, then life cycles that run on one."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from cli_guides import Reader, blocks, commands
from cli_processes import Notes, on_terminal, started
from cli_yard import People, Run, Served

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


def test_lint_of_what_a_server_would_not_take(run: Run, fresh: Path) -> None:
    edited(fresh, 'modelyard:role="operator"', 'modelyard:role="wizard"')
    edited(fresh, 'modelyard:dueIn="P2D"', 'modelyard:dueIn="soon"')
    edited(fresh, '"evaluation.run_checks"', '"evaluation.run_cheks"')
    found = [(row["severity"], row["element"], row["code"]) for row in run("lifecycle", "lint", str(fresh), "-o", "json").json]
    assert sorted(found) == [
        ("error", "repair", "task"), ("error", "review", "task"), ("warning", "checks", "unknown-operation"),
    ]  # fmt: skip


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
    sampled = run("lifecycle", "simulate", str(fresh), "--runs", "3")
    assert sampled.code == 0
    assert "assuming the data of model-review.scenarios.yaml" in sampled.err
    fresh.with_name("model-review.scenarios.yaml").unlink()
    said = run("lifecycle", "simulate", str(fresh), "--runs", "3")
    assert said.code == 1
    assert "no case ended" in said.out
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


# --- versions -------------------------------------------------------------------------------------------------------------------


def test_who_proposes_a_life_cycle_does_not_put_it_in_force(yard: Run, people: People, notes: Notes) -> None:
    notes.edited('name="A note"', 'name="Another note"')
    proposed = yard("lifecycle", "publish", str(notes.file), "-o", "json", as_=people["rita"])
    assert proposed.code == 8
    assert proposed.json["status"] == "proposed"
    own = yard("lifecycle", "publish", "--definition", f"{notes.key}@2", as_=people["rita"])
    assert own.code == 1
    assert "separation.publisher" in own.err
    assert yard("lifecycle", "publish", "--definition", proposed.json["id"], as_=people["ruth"]).code == 0
    rows = yard("lifecycle", "list", "--process", notes.key, "--sort", "number", "-o", "json").json
    assert [row["status"] for row in rows] == ["superseded", "published"]
    source = yard("lifecycle", "source", notes.key)
    assert source.out == notes.file.read_text(encoding="utf-8")


def test_publish_shows_what_would_be_other(yard: Run, people: People, notes: Notes) -> None:
    notes.edited('modelyard:role="validator"', 'modelyard:role="operator"')
    notes.edited('id="dropped"/>', 'id="gone"/>').write_text(notes.file.read_text().replace('"dropped"', '"gone"'))
    tried = yard("lifecycle", "publish", str(notes.file), "--dry-run", "-o", "json", as_=people["dana"])
    assert tried.code == 0, tried.err
    assert tried.json["compared_with"] == 1
    found = {(row["change"], row["element"]): row["what"] for row in tried.json["changes"]}
    assert found == {
        ("removed", "dropped"): "",
        ("added", "gone"): "",
        ("changed", "review"): "role: validator → operator",
        ("changed", "no"): "target: dropped → gone",
    }
    said = yard("lifecycle", "publish", str(notes.file), "--dry-run", as_=people["dana"])
    assert "role: validator → operator" in said.err
    assert len(yard("lifecycle", "list", "--process", notes.key, "-o", "json").json) == 1


def test_what_cannot_be_published_is_said(yard: Run, people: People, notes: Notes, tmp_path: Path) -> None:
    again = yard("lifecycle", "publish", str(notes.file), as_=people["dana"])
    assert again.code == 1
    assert "this is version 1" in again.err
    notes.edited("amount * factor", "amount * * factor")
    wrong = yard("lifecycle", "publish", str(notes.file), as_=people["dana"])
    assert wrong.code == 1
    assert "lifecycle lint" in wrong.err
    (strange := tmp_path / "strange.bpmn").write_text("<a")
    assert yard("lifecycle", "publish", str(strange), as_=people["dana"]).code == 1
    for words in ((), (str(notes.file), "--definition", "x@1"), (str(tmp_path / "none.bpmn"),)):
        assert yard("lifecycle", "publish", *words, as_=people["dana"]).code == 2
    for reference in (f"{notes.key}@7", "there-is-none", "prc_none"):
        missing = yard("lifecycle", "publish", "--definition", reference, as_=people["rita"])
        assert missing.code == 1
        assert missing.err.splitlines()[0].startswith("error: ")


# --- instances ------------------------------------------------------------------------------------------------------------------


def test_an_instance_is_found_by_what_it_is_about(yard: Run, people: People, notes: Notes) -> None:
    use_case = f"about-{uuid.uuid4().hex[:8]}"
    assert yard("use-case", "register", use_case, as_=people["dana"]).code == 0
    about = ("--about", f"use_case:{use_case}")
    instance, task = started(yard, people, notes, *about)
    started(yard, people, notes)
    assert yard("lifecycle", "instances", *about, "-o", "name").out.split() == [instance]
    assert yard("task", "list", *about, "-o", "name").out.split() == [task]
    assert len(yard("lifecycle", "instances", "--process", notes.key, "--status", "running", "-o", "json").json) == 2
    assert yard("lifecycle", "instances", "--about", "nothing").code == 2
    assert yard("lifecycle", "start", notes.key, "--about", "version:there-is-none@1", as_=people["dana"]).code == 1


def test_variables_come_from_a_file_and_from_the_command_line(yard: Run, people: People, notes: Notes, tmp_path: Path) -> None:
    (data := tmp_path / "data.yaml").write_text("amount: 5\nowner: {name: bo}\n")
    words = ("lifecycle", "start", notes.key, "--data-file", str(data), "--data", "amount=7", "-o", "name")
    instance = yard(*words, as_=people["dana"]).out.strip()
    assert yard("lifecycle", "set", instance, "tags=[a, b]", as_=people["omar"]).code == 0
    known = yard("lifecycle", "show", instance, "-o", "json").json["data"]
    assert (known["amount"], known["owner"], known["tags"]) == (7, {"name": "bo"}, ["a", "b"])
    assert yard("lifecycle", "set", instance, as_=people["omar"]).code == 2
    assert yard("lifecycle", "set", instance, "amount", as_=people["omar"]).code == 2
    assert yard("lifecycle", "start", notes.key, "--dry-run", as_=people["dana"]).code == 0
    assert len(yard("lifecycle", "instances", "--process", notes.key, "-o", "json").json) == 1


@pytest.mark.parametrize("value", [".nan", "-.inf", "!!binary aGk=", "{a: [", "!!python/object:x {}"])
def test_a_variable_that_is_no_json_is_wrong_usage(run: Run, value: str) -> None:
    said = run("lifecycle", "start", "any", "--data", f"amount={value}")
    assert said.code == 2
    assert "at: --data amount" in said.err


def test_watching_off_a_terminal_tells_each_step_and_ends_with_the_instance(yard: Run, people: People, notes: Notes) -> None:
    instance, task = started(yard, people, notes)
    done = yard("task", "complete", task, "--set", "findings=bad", "--verdict", "rejected", as_=people["val"])
    assert done.code == 0, done.err
    said = yard("lifecycle", "show", instance, "--watch")
    assert said.code == 0
    assert [line.partition("Z  ")[2] for line in said.out.splitlines()] == [
        "started by dana  → asked → review",
        "task review by val  → fit → dropped",
    ]
    assert said.err == "it has ended: completed\n"
    other, _ = started(yard, people, notes)
    assert yard("lifecycle", "cancel", other, as_=people["omar"]).code == 2
    assert yard("lifecycle", "cancel", other, "--why", "no longer needed", as_=people["omar"]).code == 0
    assert yard("lifecycle", "show", other, "--watch").code == 1
    rows = yard("lifecycle", "history", other, "-o", "json").json
    assert [(row["event"], row["details"].get("why")) for row in rows] == [("started", None), ("cancelled", "no longer needed")]


def test_a_picture_is_drawn_anew_on_a_terminal(yard: Run, served: Served, people: People, notes: Notes) -> None:
    instance, task = started(yard, people, notes)
    yard("task", "complete", task, "--set", "findings=bad", "--verdict", "rejected", as_=people["val"])
    code, seen = on_terminal(served, people["dana"], "lifecycle", "show", instance, "--watch")
    assert code == 0
    assert "\x1b[2J" in seen
    assert "path: asked → review → fit → dropped" in seen


def test_text_of_others_cannot_steer_the_terminal(yard: Run, people: People, notes: Notes) -> None:
    instance, task = started(yard, people, notes, "--title", "red \x1b[31m alert\nsecond line")
    yard("task", "comment", task, "clear \x1b[2J screen", as_=people["val"])
    for words in (("lifecycle", "show", instance), ("lifecycle", "instances", "--process", notes.key), ("task", "show", task)):
        said = yard(*words)
        assert said.code == 0
        assert "\x1b" not in said.out + said.err, words
        assert "red \\x1b[31m alert second line" in said.out or words[0] == "task"


def broken(yard: Run, people: People, notes: Notes) -> tuple[str, str]:
    """An instance whose script lacks a variable, and the incident."""
    instance, task = started(yard, people, notes, "--data", "owner=bo")
    assert yard("task", "complete", task, "--set", "findings=fine", "--verdict", "approved", as_=people["val"]).code == 0
    told = yard("lifecycle", "message", f"{notes.key}-read", "--to", "bo", as_=people["omar"])
    assert told.code == 0, told.err
    return instance, yard("lifecycle", "incidents", "--instance", instance, "-o", "name").out.strip()


def test_a_step_that_broke_is_told_with_what_to_do_and_tried_again(yard: Run, people: People, notes: Notes) -> None:
    instance, incident = broken(yard, people, notes)
    shown = yard("lifecycle", "show", instance)
    assert "broken" in shown.out
    assert f"modelyard lifecycle retry {incident} --data NAME=VALUE" in shown.out
    assert yard("lifecycle", "instances", "--process", notes.key, "--health", "broken", "-o", "name").out.split() == [instance]
    again = yard("lifecycle", "retry", incident, as_=people["omar"])
    assert again.code == 0
    assert "still broken" in again.err
    incident = yard("lifecycle", "incidents", "--instance", instance, "-o", "name").out.strip()
    mended = yard("lifecycle", "retry", incident, "--data", "factor=2", "-o", "json", as_=people["omar"])
    assert (mended.json["status"], mended.json["health"]) == ("completed", "ok")
    assert yard("lifecycle", "show", instance, "-o", "json").json["data"]["total"] == 6
    assert len(yard("lifecycle", "incidents", "--instance", instance, "--closed", "-o", "json").json) == 2


def test_a_step_is_skipped_with_a_reason_by_who_may(yard: Run, people: People, notes: Notes) -> None:
    instance, incident = broken(yard, people, notes)
    assert yard("lifecycle", "skip", incident, as_=people["rita"]).code == 2
    assert yard("lifecycle", "skip", incident, "--why", "known", as_=people["omar"]).code == 1
    skipped = yard("lifecycle", "skip", incident, "--why", "known", "--data", "total=9", "-o", "json", as_=people["rita"])
    assert skipped.code == 0, skipped.err
    assert skipped.json["status"] == "completed"
    assert yard("lifecycle", "show", instance, "-o", "json").json["data"]["total"] == 9
    audited = yard("audit", "list", "--action", "lifecycle.skip_incident", "--where", f"subject_id={incident}", "-o", "json").json
    assert "known" in {row["reason"] for row in audited}


def test_messages_find_who_waits_or_are_kept(yard: Run, people: People, notes: Notes) -> None:
    name = f"{notes.key}-read"
    nobody = yard("lifecycle", "message", name, "--to", "bo", as_=people["omar"])
    assert nobody.code == 1
    kept = yard("lifecycle", "message", name, "--to", "bo", "--keep", "60", "-o", "json", as_=people["omar"])
    assert kept.json["held"] is True
    instance, task = started(yard, people, notes, "--data", "owner=bo", "--data", "factor=1")
    yard("task", "complete", task, "--set", "findings=fine", "--verdict", "approved", as_=people["val"])
    assert yard("lifecycle", "show", instance, "-o", "json").json["instance"]["status"] == "completed"
    assert yard("lifecycle", "signal", "anybody", "--data", "level=3", as_=people["omar"]).code == 0


def test_instances_are_migrated_all_or_none(yard: Run, people: People, notes: Notes) -> None:
    first, _ = started(yard, people, notes)
    ended, task = started(yard, people, notes)
    yard("task", "complete", task, "--set", "findings=bad", "--verdict", "rejected", as_=people["val"])
    notes.edited('"review"', '"look"')
    notes.edited('modelyard:form="look"', 'modelyard:form="review"')
    yard("lifecycle", "publish", str(notes.file), as_=people["dana"])
    assert yard("lifecycle", "publish", "--definition", f"{notes.key}@2", as_=people["rita"]).code == 0
    move = ("--to", "2", "--move", "review=look")
    refused = yard("lifecycle", "migrate", first, ended, *move, "--yes", as_=people["omar"])
    assert refused.code == 1
    lost = yard("lifecycle", "migrate", first, "--to", "2", "--yes", as_=people["omar"])
    assert lost.code == 1
    assert yard("lifecycle", "show", first, "-o", "json").json["instance"]["number"] == 1
    unasked = yard("lifecycle", "migrate", first, *move, as_=people["omar"])
    assert unasked.code == 2
    assert "moves from review to look" in unasked.err
    tried = yard("lifecycle", "migrate", first, *move, "--dry-run", as_=people["omar"])
    assert "moves from review to look" in tried.out
    assert yard("lifecycle", "migrate", first, *move, "--yes", as_=people["omar"]).code == 0
    view = yard("lifecycle", "show", first, "-o", "json").json
    assert (view["instance"]["number"], [place["element"] for place in view["places"]]) == (2, ["look"])
    assert yard("lifecycle", "migrate", "--to", "2").code == 2


def test_times_tell_waiting_and_working(yard: Run, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    assert yard("task", "claim", task, as_=people["val"]).code == 0
    yard("task", "complete", task, "--set", "findings=bad", "--verdict", "rejected", as_=people["val"])
    told = yard("lifecycle", "times", notes.key, "-o", "json").json
    assert (told["ended"], told["bottleneck"]) == ({"completed": 1}, "review")
    assert [(role["role"], role["count"]) for role in told["roles"]] == [("validator", 1)]
    overview = yard("lifecycle", "times", "-o", "json").json
    assert {row["process"]: row["ended"] for row in overview}[notes.key] == {"completed": 1}
    assert notes.key in yard("lifecycle", "times").out


@pytest.mark.parametrize("words", [["lifecycle", "--help"], ["lifecycle", "simulate", "--help"], ["task", "complete", "--help"]])
def test_help_loads_no_engine(words: list[str]) -> None:
    program = (
        "import sys, io, contextlib\n"
        "from modelyard.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    assert main({words!r}) == 0\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"modelyard.bpmn", "modelyard.dmn", "modelyard.lifecycle", "lxml", "yaml", "httpx", "pydantic", "jsonschema_rs"}
    assert "cyclopts" in loaded
    assert heavy & {*loaded} == set()
