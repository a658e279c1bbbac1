"""The code of docs/how-to/score-a-batch.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from modelyard.cli.tree import TREE
from modelyard.runtime.batch import Invalid
from tests.batch.batch_stage import Stage, rows

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "score-a-batch.md").read_text(encoding="utf-8")


def taught() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


def test_the_code_of_the_guide_works(stage: Stage) -> None:
    names = taught()
    result = names["score"](stage.plane.published.as_posix(), stage.plane.roots, stage.write(rows(30)), stage.folder)
    assert result.answered == 30


@pytest.mark.slow
def test_the_frames_of_the_guide_work(stage: Stage) -> None:
    import dask.dataframe as dd

    names = taught()
    more = {"source": str(stage.plane.published), "trust_roots": str(stage.plane.roots), "home": str(stage.folder / "workers")}
    frame = dd.from_pandas(rows(30).to_pandas(), npartitions=1)
    answers = names["in_dask"](frame, log=str(stage.folder / "decisions"), **more).compute(scheduler="synchronous")
    assert len(answers) == 30


def test_the_words_of_the_guide_are_those_of_the_command() -> None:
    import inspect

    from modelyard.cli.placing import Placed
    from modelyard.cli.score import Logged, Who, score

    known = {name.replace("_", "-") for some in (score, Who, Logged, Placed) for name in inspect.signature(some).parameters}
    told = set(re.findall(r"--([a-z][a-z-]+)", " ".join(re.findall(r"(?:`|modelyard score)[^`\n]*", GUIDE))))
    assert told <= known
    assert {policy.value for policy in Invalid} == {"fail", "skip", "fallback"}
    assert any(word == "score" for _, word, _, _ in TREE)
