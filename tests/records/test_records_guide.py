"""docs/how-to/keep-and-erase-decisions.md as typed, on a server, with a worker's turns between."""

from __future__ import annotations

import io
import json
import shlex
import sys
from pathlib import Path

import pytest
from records_yard import Yard

from modelyard.cli import main
from tests.cli.cli_guides import Reader, Shown, commands
from tests.cli.cli_yard import Run, Said

GUIDE = "keep-and-erase-decisions.md"


@pytest.fixture
def said(shared: Yard, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs one command of the command line in this process, spoken to the shared server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MODELYARD_URL", str(shared.http.base_url))
    monkeypatch.delenv("MODELYARD_HOME", raising=False)

    def run(*words: str, as_: str = "", stdin: str = "") -> Said:
        monkeypatch.setenv("MODELYARD_TOKEN", as_ or shared.tokens["omar"])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main(words)
        found = capsys.readouterr()
        return Said(code, found.out, found.err)

    return run


class Typist(Reader):
    """Also types what is piped into a command."""

    def follows(self, shown: Shown) -> None:
        before, bar, command = shown.command.partition(" | ")
        if not bar:
            super().follows(shown)
            return
        _, text = shlex.split(before)
        said = self.run(*shlex.split(command)[1:], as_=self.tokens[shown.who], stdin=f"{text}\n")
        assert said.code == 0, said.err
        self._compare(shown, said.out)


def test_the_guide_can_be_followed(shared: Yard, said: Run, tmp_path: Path) -> None:
    shared.use_case("loans", tier="medium")
    with shared.writing("runtime-guide") as log:
        shared.decide(log, "loans", subject="customer-17", count=2)
        shared.decide(log, "loans")
    rows = [{"id": "1", "decision_time": "2026-02-01T00:00:00Z", "inputs": {"amount": 5}}]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reader = Typist(said, dict(shared.tokens))
    shown = commands(GUIDE)
    assert len(shown) >= 14
    for command in shown:
        shared.work()
        reader.follows(command)
    assert (tmp_path / "loans.parquet").exists()


def test_decisions_are_asked_in_sql_and_only_read(shared: Yard, said: Run, tmp_path: Path) -> None:
    shared.use_case("queried")
    with shared.writing("runtime-sql") as log:
        made = shared.decide(log, "queried", count=3)
    shared.outcome(made[:1])
    run = said
    query = "select count(*) as n from decisions d join outcomes o on o.decision_id = d.id where d.use_case = 'queried'"
    local = run("decisions", "sql", query, "--home", str(shared.home), "-o", "json")
    assert (local.code, json.loads(local.out)) == (0, [{"n": 1}]), local.err
    remote = run("decisions", "sql", query, "--home", str(tmp_path / "none"), "--use-case", "queried", "-o", "json")
    assert (remote.code, json.loads(remote.out)) == (0, [{"n": 1}]), remote.err
    before = sorted(p.name for p in shared.log.rglob("*"))
    for bad in (
        "drop view decisions",
        f"copy (select 1) to '{shared.log}/x.csv'",
        "select 1; select 2",
        "select * from read_text('/etc/hostname')",
        "select colour from decisions",
        "set enable_external_access = true",
    ):
        refused = run("decisions", "sql", bad, "--home", str(shared.home))
        assert refused.code == 2, bad
    assert sorted(p.name for p in shared.log.rglob("*")) == before


def test_the_command_line_shows_counts_exports_and_reveals(shared: Yard, said: Run, tmp_path: Path) -> None:
    shared.use_case("typed")
    with shared.writing("runtime-typed") as log:
        made = shared.decide(log, "typed", count=2, subject="typed person")
    run = said
    for words in (("decisions", "--use-case", "typed"), ("decisions", "list", "--subject", "typed person")):
        found = run(*words, "-o", "json")
        assert [row["id"] for row in json.loads(found.out)] == made
    assert json.loads(run("decisions", "show", made[0], "-o", "json").out)["id"] == made[0]
    assert run("decisions", "show", made[0], "--reveal").code == 2
    assert run("decisions", "show", made[0], "--reveal", "--reason", "x").code == 1
    counted = json.loads(run("decisions", "summary", "--use-case", "typed", "-o", "json").out)
    assert counted["decisions"] == 2
    for form in ("csv", "arrow", "jsonl", "parquet"):
        out = tmp_path / f"typed.{form}"
        assert run("decisions", "export", "--use-case", "typed", "--out", str(out)).code == 0
        assert out.stat().st_size > 0
    denied = run("decisions", "export", "--out", str(tmp_path / "no.csv"), as_=shared.tokens["vic"])
    assert denied.code == 1
    assert not (tmp_path / "no.csv").exists()
    assert run("decisions", "export", "--out", "what.xlsx").code == 2
    assert run("retention", "set", "--use-case", "typed", "--reason", "x", as_=shared.tokens["rita"]).code == 2


def test_data_keys_are_made_kept_and_backed_up_only_when_asked(own: Yard, said: Run, tmp_path: Path) -> None:
    home = ("--home", str(own.home))
    assert said("keys", "data", "list", *home).code == 0
    first = said("keys", "data", "rotate", *home, "-o", "name").out.strip()
    second = said("keys", "data", "rotate", *home, "-o", "name").out.strip()
    assert said("keys", "data", "list", *home, "-o", "name").out.split() == [second, first]
    path = own.platform.settings.data_keys
    assert path.stat().st_mode & 0o077 == 0
    for name, extra, there in (("with", ["--keys"], True), ("without", [], False)):
        assert said("backup", str(tmp_path / name), *extra, *home).code == 0
        elsewhere = tmp_path / f"restored-{name}"
        assert said("restore", str(tmp_path / name), "--home", str(elsewhere), "--yes").code == 0
        copy = elsewhere / "runtime" / "data.key"
        assert copy.exists() == there
        if there:
            assert (copy.read_bytes(), copy.stat().st_mode & 0o077) == (path.read_bytes(), 0)
    path.write_text("not hex")
    assert said("keys", "data", "rotate", *home).code == 1
