"""The demo itself, short: real processes, real requests, a canary, a broken version and its rollback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from examples.flights import demo
from examples.flights.data import ROOT


def _demo(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.flights.demo", "--home", str(home), "--no-keep", *words]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=580, check=False)


@pytest.mark.slow
def test_a_model_goes_through_its_whole_life(rows: pa.Table, tmp_path: Path) -> None:
    done = _demo(tmp_path / "home", "--months", "6,9", "--sample", "0.1")
    assert done.returncode == 0, done.stderr + done.stdout
    told = done.stdout
    assert "none failed (v1 " in told
    assert "rolled back in" in told
    assert "lost by version 3" in told
    assert "audit log in order" in told
    assert "live records agree with the log" in told
    assert "flight-delay@1 released, flight-delay@2 champion, flight-delay@3 rolled back" in told
    assert "intake to first decision" in told
    assert done.stderr.count("is forbidden by policy separation.task") == 2


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("the only copy")
    done = _demo(home)
    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert (home / "thesis.txt").read_text() == "the only copy"


@pytest.mark.parametrize("words", [("--months", "1"), ("--months", "13"), ("--sample", "0"), ("--sample", "1.5")])
def test_months_and_shares_that_cannot_be_are_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        demo.main(list(words))
    assert refusal.value.code == 2
    assert words[0].strip("-")[:5] in capsys.readouterr().err
