"""What docs/how-to/run-decision-tables.md shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cli_yard import Run

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "run-decision-tables.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    found = []
    for block in blocks("console"):
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.parametrize(("command", "output"), commands())
def test_what_the_guide_shows_is_what_happens(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    (tmp_path / "limit.dmn").write_text(blocks("xml")[0], encoding="utf-8")
    (tmp_path / "limit.csv").write_text(blocks("csv")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(command)
    said = run(*words)
    assert program == "modelyard"
    assert (said.code, said.out) == (0, output), said.err


def test_every_command_of_the_guide_is_tried() -> None:
    assert {shlex.split(command)[2] for command, _ in commands()} == {"eval", "explain", "check", "test"}
