"""Use cases and models from the command line, against a real server."""

from __future__ import annotations

import json
import uuid

import pytest
import yaml
from cli_yard import People, Run


def fresh(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def model(yard: Run, people: People) -> str:
    use_case, name = fresh("hold"), fresh("delay")
    assert yard("use-case", "register", use_case, "--tier", "low", as_=people["dana"]).code == 0
    assert yard("model", "register", name, "--use-case", use_case, "--owner", "ops", as_=people["dana"]).code == 0
    return name


def test_register_prints_the_record_on_stdout_and_the_next_step_on_stderr(yard: Run, people: People) -> None:
    name = fresh("hold")
    said = yard("use-case", "register", name, "--title", "Hold?", "-o", "json", "--reason", "new", as_=people["dana"])
    assert said.code == 0, said.err
    assert said.json["name"] == name
    assert said.json["title"] == "Hold?"
    assert f"next: modelyard model register NAME --use-case {name}" in said.err


def test_every_output_form_tells_of_the_same_record(yard: Run, model: str) -> None:
    assert yard("model", "show", model, "-o", "json").json["name"] == model
    assert yaml.safe_load(yard("model", "show", model, "-o", "yaml").out)["name"] == model
    assert yard("model", "show", model, "-o", "name").out.strip() == model
    assert model in yard("model", "show", model).out
    table = yard("model", "list", "--where", f"name={model}")
    assert table.out.splitlines()[0].split()[:3] == ["NAME", "USE-CASE", "KIND"]
    assert table.out.splitlines()[1].startswith(model)
    wide = yard("model", "list", "--where", f"name={model}", "-o", "wide").out
    assert "ID" in wide.splitlines()[0]
    assert yard("model", "list", "--where", f"name={model}", "-o", "name").out == f"{model}\n"
    assert [m["name"] for m in yard("model", "list", "--where", f"name={model}", "-o", "json").json] == [model]


def test_an_empty_list_says_what_to_do_next(yard: Run) -> None:
    said = yard("monitor", "list", "--where", "name=there-is-none")
    assert said.code == 0
    assert said.out == ""
    assert "next: " in said.err
    assert yard("monitor", "list", "--where", "name=there-is-none", "-o", "json").json == []


def test_lists_are_sorted_and_cut_by_the_server(yard: Run, people: People) -> None:
    use_case = fresh("sorted")
    yard("use-case", "register", use_case, as_=people["dana"])
    names = sorted(fresh("m") for _ in range(3))
    for name in reversed(names):
        yard("model", "register", name, "--use-case", use_case, as_=people["dana"])
    said = yard("model", "list", "--use-case", use_case, "--sort", "name", "-o", "name")
    assert said.out.split() == names
    said = yard("model", "list", "--use-case", use_case, "--sort", "-name", "--limit", "2", "-o", "name")
    assert said.out.split() == names[::-1][:2]
    assert "--limit 0" in said.err


def test_search_finds_by_words_over_all_kinds_of_records(yard: Run, people: People) -> None:
    word = fresh("zanzibar").replace("-", "")
    yard("use-case", "register", word, as_=people["dana"])
    yard("model", "register", f"{word}-model", "--use-case", word, as_=people["dana"])
    said = yard("search", word, "-o", "name")
    assert word in said.out.split()
    nothing = yard("search", "xyzzynothing")
    assert nothing.code == 0
    assert "nothing found" in nothing.err


def test_update_changes_only_what_is_given_and_sets_nested_fields(yard: Run, people: People, model: str) -> None:
    said = yard(
        "model", "update", model, "--description", "tells delays", "--set", "technique.methodology=boosting", "-o", "json",
        as_=people["dana"],
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.json["description"] == "tells delays"
    assert said.json["owner"] == "ops"
    assert said.json["technique"]["methodology"] == "boosting"
    assert yard("model", "update", model, as_=people["dana"]).code == 2


def test_a_dry_run_keeps_nothing(yard: Run, people: People) -> None:
    name = fresh("never")
    said = yard("use-case", "register", name, "--dry-run", as_=people["dana"])
    assert said.code == 0
    assert "nothing kept" in said.err
    assert yard("use-case", "show", name).code == 1


def test_a_repeat_with_the_same_key_gives_the_first_answer(yard: Run, people: People) -> None:
    name, key = fresh("once"), uuid.uuid4().hex
    words = ("use-case", "register", name, "--idempotency-key", key, "-o", "json")
    first, second = yard(*words, as_=people["dana"]), yard(*words, as_=people["dana"])
    assert first.json == second.json
    assert yard("use-case", "register", name, as_=people["dana"]).code == 1


def test_a_reason_is_demanded_where_no_person_can_be_asked(yard: Run, people: People, model: str) -> None:
    said = yard("model", "retire", model, as_=people["dana"])
    assert said.code == 2
    assert "--reason" in said.err
    assert yard("model", "show", model, "-o", "json").json["state"] == "active"


def test_errors_say_what_where_and_what_to_do(yard: Run, people: People) -> None:
    said = yard("model", "show", "there-is-none")
    assert said.code == 1
    assert said.err.startswith("error: there is no 'there-is-none'")
    bad = yard("model", "register", "Not A Name!", "--use-case", "x", as_=people["dana"])
    assert bad.code == 1
    assert "  at: name" in bad.err
    told = json.loads(yard("model", "show", "there-is-none", "-o", "json").err)
    assert told["code"] == "not_found"


def test_what_policy_forbids_ends_with_1_and_changes_nothing(yard: Run, people: People) -> None:
    use_case, name = fresh("uc"), fresh("m")
    yard("use-case", "register", use_case, as_=people["dana"])
    said = yard("model", "register", name, "--use-case", use_case, as_=people["omar"])
    assert said.code == 1
    assert "error: " in said.err
    refused = yard("audit", "list", "--outcome", "refused", "-o", "json").json
    assert any(record["action"] == "catalog.register_model" for record in refused)
    assert yard("model", "show", name).code == 1


HOSTILE = ["../../etc/passwd", "a/b", "%2e%2e", "a?b=c", "a#b", "';--", "\x1b[31mred", "x" * 5000, "ü✓", "{model}", "..", "a b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_references_are_only_not_found(yard: Run, name: str) -> None:
    said = yard("model", "show", name)
    assert said.code in (1, 2)
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_searches_find_nothing_and_break_nothing(yard: Run, text: str) -> None:
    said = yard("model", "list", "-q", text)
    assert said.code in (0, 1), said.err
    assert "Traceback" not in said.err


def test_hostile_text_cannot_steer_the_terminal(yard: Run, people: People) -> None:
    name = fresh("evil")
    said = yard("use-case", "register", name, "--description", "\u202eevil [red]x[/red]", as_=people["dana"])
    if said.code == 0:
        shown = yard("use-case", "show", name).out
        assert "\u202e" not in shown
        assert "[red]x[/red]" in shown


def test_set_and_file_are_read_as_yaml_and_mistakes_are_named(yard: Run, people: People, tmp_path) -> None:
    file = tmp_path / "uc.yaml"
    file.write_text("title: From a file\npurpose: {intended_use: tests}\n")
    said = yard("use-case", "register", fresh("filed"), "-f", str(file), "--set", "title=Set", "-o", "json", as_=people["dana"])
    assert said.code == 0, said.err
    assert said.json["title"] == "Set"
    assert said.json["purpose"]["intended_use"] == "tests"
    file.write_text("a: [1,\n")
    assert yard("use-case", "register", fresh("filed"), "-f", str(file)).code == 2
    file.write_text("- just\n- a list\n")
    assert yard("use-case", "register", fresh("filed"), "-f", str(file)).code == 2
    file.write_bytes(b"\xff\xfe\x00")
    assert yard("use-case", "register", fresh("filed"), "-f", str(file)).code == 2


def test_history_and_short_forms(yard: Run, model: str) -> None:
    assert "model registered" in yard("history", model).out
    assert yard("show", model, "-o", "name").out.strip() == model
    assert yard("history", model, "--at", "2020-01-01T00:00Z").code == 0
    assert model in yard("list", "models", "-o", "name", "--limit", "0").out.split()
