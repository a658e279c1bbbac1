"""The demo of rules itself: real processes, real requests, a canary, a refusal by the gate, a mistake noticed and rolled back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.rules import data
from examples.rules.data import ROOT
from modelyard.core.errors import Unavailable
from tests.conftest import skip_or_fail


def _demo(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.rules.demo", "--home", str(home), "--no-keep", *words]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=580, check=False)


@pytest.mark.slow
def test_a_policy_goes_through_its_whole_life(tmp_path: Path) -> None:
    try:
        data.fetch()
    except Unavailable as error:
        skip_or_fail("data", f"the applications are not to be had: {error}")
    done = _demo(tmp_path / "home")
    assert done.returncode == 0, done.stderr + done.stdout
    told = done.stdout
    assert "3,194 in " in told
    assert "high, by the tiering in force" in told
    assert "refused by the gate: 2 checks failed" in told
    assert "psi of observed.Grounds for refusal rule 3" in told
    assert "rolled back in" in told
    assert "audit log in order" in told
    assert done.stderr.count("is forbidden by policy separation.approver") == 2
    assert "omar cannot even ask for it" in done.stderr
    assert "Rule 2 of 'Verdicts' fired" in done.stderr
