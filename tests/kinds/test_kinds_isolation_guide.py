"""The guide to isolation says what is so: its blocks run, its command makes the lock, its fields and errors are there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from kinds_foreign import wheel

from modelyard.kinds.contract import Policy
from modelyard.kinds.environments import python_of
from modelyard.kinds.environments.building import find_uv
from modelyard.kinds.shim.formats import LOADERS

GUIDE = (Path(__file__).parents[2] / "docs/how-to/isolate-a-model.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (index := tmp_path / "wheels").mkdir()
    for name, value in (("UV_FIND_LINKS", str(index)), ("UV_NO_INDEX", "1"), ("UV_CACHE_DIR", str(tmp_path / "cache"))):
        monkeypatch.setenv(name, value)
    wheel(index, "tinyone", "1.0", "VALUE = 41\n")
    (tmp_path / "requirements.in").write_text("tinyone\n")
    (command,) = blocks("bash")
    said = subprocess.run([str(find_uv()), *shlex.split(command)[1:]], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    lock = tmp_path / "requirements.txt"
    assert python_of(lock.read_text()) == "3.11"
    names: dict[str, object] = {}
    for number, block in enumerate(blocks("python")):
        exec(compile(block, f"isolate-a-model.md, block {number}", "exec"), names)


def test_the_policy_of_the_guide_is_one_and_says_every_field() -> None:
    (policy,) = blocks("json")
    assert Policy.model_validate_json(policy).network == ("support-answers",)
    assert set(json.loads(policy)) == {"isolate", "confine", "allow_pickle", "allow_code", "network"}


def test_every_format_of_the_shim_is_named() -> None:
    for name in LOADERS:
        assert f"`{name}`" in GUIDE or name == "mlflow"
    assert "MLflow folders" in GUIDE


def test_every_error_that_the_guide_quotes_is_in_the_code() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parents[2] / "src/modelyard").rglob("*.py"))
    for quoted in ("has no hash", "there is no Python", "the environment cannot be built", "the packages cannot be fetched now",
                   "there is no room for the environment", "loading the model needs", "it runs its author's code",
                   "it needs its own environment"):  # fmt: skip
        assert quoted in GUIDE
        assert quoted in source
