"""`modelyard task`: the inbox, whose a task is, its form, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_processes import Notes, on_terminal, started
from cli_yard import People, Run, Served
from hypothesis import given
from hypothesis import strategies as st

from modelyard.cli.tasks_form import typed


def test_the_inbox_shows_what_one_could_do(yard: Run, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    assert task in yard("task", "list", "--limit", "0", "-o", "name", as_=people["val"]).out.split()
    assert task not in yard("task", "list", "--limit", "0", "-o", "name", as_=people["omar"]).out.split()
    assert task in yard("task", "list", "--process", notes.key, "-o", "name", as_=people["omar"]).out.split()
    assert yard("task", "list", "--mine", "--process", notes.key, "-o", "json", as_=people["val"]).json == []
    assert yard("task", "claim", task, as_=people["val"]).code == 0
    assert yard("task", "list", "--mine", "--process", notes.key, "-o", "name", as_=people["val"]).out.split() == [task]
    done = yard("task", "complete", task, "--set", "findings=fine", "--verdict", "approved", as_=people["val"])
    assert done.code == 0, done.err
    assert task not in yard("task", "list", "--limit", "0", "-o", "name", as_=people["val"]).out.split()
    assert task in yard("task", "list", "--process", notes.key, "--status", "completed", "-o", "name").out.split()


def test_show_tells_what_is_asked_and_what_was_decided(yard: Run, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    before = yard("task", "show", task, as_=people["val"]).out
    assert "for validator" in before
    assert "due in 1d" in before
    assert "  amount: 3" in before
    assert "one of none, low, high" in before
    assert f"modelyard task complete {task} --set findings=… --verdict approved" in before
    assert yard("task", "comment", task, "I look at it tomorrow", as_=people["val"]).code == 0
    words = ("--set", "findings=grave ones", "--set", "severity=high", "--verdict", "rejected", "--comments", "mend it")
    assert yard("task", "complete", task, *words, as_=people["val"]).code == 0
    after = yard("task", "show", task, as_=people["dana"]).out
    assert "completed by val" in after
    assert "I look at it tomorrow" in after
    assert "grave ones" in after
    assert "mend it" in after
    assert "modelyard task complete" not in after
    whole = yard("task", "show", task, "-o", "json").json
    assert [decision["verdict"] for decision in whole["decisions"]] == ["rejected"]


def test_values_are_typed_as_the_form_asks(yard: Run, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    sets = ("findings=123", "hours=2.5", "again=no", "tags=a, b")
    words = [word for each in sets for word in ("--set", each)]
    done = yard("task", "complete", task, *words, "--verdict", "approved", "-o", "json", as_=people["val"])
    assert done.code == 0, done.err
    filled = {name: done.json["result"][name] for name in ("findings", "hours", "again", "tags", "severity")}
    assert filled == {"findings": "123", "hours": 2.5, "again": False, "tags": ["a", "b"], "severity": "none"}


@pytest.mark.parametrize(
    ("given", "field", "allowed"),
    [
        ((), "findings", "text, length at least 3"),
        (("findings=no",), "findings", "text, length at least 3"),
        (("findings=fine", "severity=grave"), "severity", "one of none, low, high"),
        (("findings=fine", "hours=many"), "hours", "a number, at least 0, at most 100"),
        (("findings=fine", "hours=101"), "hours", "at most 100"),
        (("findings=fine", "hours=nan"), "hours", "a number"),
        (("findings=fine", "hours=-1e999"), "hours", "a number"),
        (("findings=fine", "again=perhaps"), "again", "yes or no"),
        (("findings=fine", "colour=red"), "colour", "findings, severity, hours, again, tags"),
        (("findings",), "--set", "name=value"),
    ],
)
def test_a_wrong_value_is_told_with_its_field_and_what_is_allowed(
    yard: Run, people: People, notes: Notes, given: tuple[str, ...], field: str, allowed: str
) -> None:
    _, task = started(yard, people, notes)
    words = [word for each in given for word in ("--set", each)]
    said = yard("task", "complete", task, *words, "--verdict", "approved", as_=people["val"])
    assert said.code == 2
    assert f"at: {field}" in said.err or field == "--set"
    assert allowed in said.err
    assert yard("task", "show", task, "-o", "json").json["task"]["status"] == "open"


def test_data_comes_from_a_file_and_the_server_has_the_last_word(yard: Run, people: People, notes: Notes, tmp_path: Path) -> None:
    _, task = started(yard, people, notes)
    (data := tmp_path / "form.yaml").write_text("findings: many\ntags: [1, 2]\n")
    refused = yard("task", "complete", task, "--data", str(data), as_=people["val"])
    assert refused.code == 1
    assert "data.tags.0" in refused.err
    data.write_text("findings: many\nseverity: high\n")
    words = ("task", "complete", task, "--data", str(data), "--set", "severity=low", "--verdict", "approved")
    tried = yard(*words, "--dry-run", "-o", "json", as_=people["val"])
    assert (tried.code, tried.json["status"]) == (0, "completed")
    assert yard("task", "show", task, "-o", "json").json["task"]["status"] == "open"
    assert yard(*words, "-o", "json", as_=people["val"]).json["result"]["severity"] == "low"


def test_what_is_missing_is_asked_for_on_a_terminal(yard: Run, served: Served, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    code, seen = on_terminal(served, people["val"], "task", "complete", task, typed="x\nall of it\napproved\ny\n")
    assert code == 0, seen
    assert "What was found (text, length at least 3): " in seen
    assert "'x' is not right for findings" in seen
    assert "Review the note: approved? [y/N]" in seen
    done = yard("task", "show", task, "-o", "json").json["task"]
    assert (done["result"]["findings"], done["result"]["verdict"]) == ("all of it", "approved")
    _, other = started(yard, people, notes)
    code, seen = on_terminal(
        served, people["val"], "task", "complete", other, "--set", "findings=fine", "--verdict", "approved", typed="n\n"
    )
    assert code == 2
    assert yard("task", "show", other, "-o", "json").json["task"]["status"] == "open"


def test_a_claimed_task_is_done_by_who_has_it(yard: Run, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    assert yard("task", "claim", task, as_=people["dana"]).code == 1
    claimed = yard("task", "claim", task, as_=people["val"])
    assert claimed.code == 0
    assert "claimed by val" in claimed.out
    assert yard("task", "delegate", task, "dana", as_=people["val"]).code == 1
    assert yard("task", "delegate", task, "there-is-nobody", as_=people["val"]).code == 1
    released = yard("task", "release", task, as_=people["omar"])
    assert released.code == 0, released.err
    assert yard("task", "show", task, "-o", "json").json["task"]["assignee"] is None


def test_conditions_go_with_an_approval(yard: Run, people: People, notes: Notes) -> None:
    _, task = started(yard, people, notes)
    words = ("task", "complete", task, "--set", "findings=fine", "--condition", "2027-01-31=a second look")
    assert yard(*words, "--verdict", "rejected", as_=people["val"]).code == 2
    assert yard(*words, as_=people["val"]).code == 0
    (decision,) = yard("task", "show", task, "-o", "json").json["decisions"]
    assert decision["verdict"] == "approved_with_conditions"
    assert decision["conditions"] == [{"text": "a second look", "due": "2027-01-31T00:00:00Z"}]


def test_a_document_is_attached_by_its_digest(yard: Run, people: People, notes: Notes, tmp_path: Path) -> None:
    _, task = started(yard, people, notes)
    (paper := tmp_path / "minutes.txt").write_text("we met")
    said = yard("task", "attach", task, str(paper), "--summary", "the minutes", "-o", "json", as_=people["val"])
    assert said.code == 0, said.err
    assert said.json["filename"] == "minutes.txt"
    shown = yard("task", "show", task, as_=people["val"])
    assert "the minutes  [minutes.txt " in shown.out
    assert yard("task", "attach", task, str(tmp_path / "none.txt"), as_=people["val"]).code == 2


def test_a_task_that_is_not_there(yard: Run, people: People) -> None:
    for verb in ("show", "claim", "release", "complete"):
        said = yard("task", verb, "ins_none:w1", as_=people["val"])
        assert said.code == 1
        assert said.err.startswith("error: ")
    assert yard("task", "show", "", as_=people["val"]).code == 2


FIELDS = st.one_of(
    st.tuples(st.just({"type": "integer"}), st.integers(-(10**9), 10**9)),
    st.tuples(st.just({"type": "number"}), st.floats(-1e9, 1e9)),
    st.tuples(st.just({"type": "boolean"}), st.booleans()),
    st.tuples(st.just({"type": "string"}), st.text(max_size=20)),
    st.tuples(st.just({}), st.text(max_size=20)),
    st.tuples(st.just({"enum": ["low", 3, True]}), st.sampled_from(["low", 3, True])),
    st.tuples(st.just({"type": "array"}), st.lists(st.text("abc", min_size=1), min_size=1, max_size=4)),
    st.tuples(st.just({"type": ["integer", "null"]}), st.one_of(st.none(), st.integers(0, 99))),
)


@given(FIELDS)
def test_every_value_of_a_form_can_be_typed(field: tuple[dict[str, Any], Any]) -> None:
    schema, value = field
    text = "null" if value is None else ",".join(value) if isinstance(value, list) else str(value)
    found = typed(schema, text, "x")
    assert found == value
    assert type(found) is type(value) or schema == {"type": "number"}


def test_several_people_decide_one_after_the_other(yard: Run, people: People, notes: Notes) -> None:
    notes.edited('modelyard:role="validator"', 'modelyard:role="validator,risk_officer" modelyard:quorum="all"')
    assert yard("lifecycle", "publish", str(notes.file), as_=people["dana"]).code == 8
    assert yard("lifecycle", "publish", "--definition", f"{notes.key}@2", as_=people["rita"]).code == 0
    instance, task = started(yard, people, notes)
    assert "0 of 2 have approved" in yard("task", "show", task).out
    words = ("task", "complete", task, "--set", "findings=fine", "--verdict", "approved")
    first = yard(*words, as_=people["val"])
    assert first.code == 0, first.err
    assert "1 of 2 have approved" in first.err
    assert yard(*words, as_=people["val"]).code == 1
    last = yard(*words, as_=people["rita"])
    assert last.code == 0, last.err
    assert "completed" in last.out
    assert "told" in yard("lifecycle", "show", instance, "-o", "json").json["instance"]["places"]
