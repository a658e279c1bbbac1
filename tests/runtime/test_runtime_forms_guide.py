"""What docs/how-to/call-a-model.md shows is what happens: every command is run, every answer compared."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from forms_stage import Served

GUIDE = Path(__file__).parents[2] / "docs/how-to/call-a-model.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
SHOWN = [(text, *BLOCKS[place + 1]) for place, (kind, text) in enumerate(BLOCKS) if kind == "sh"]


def like(got: Any, shown: Any) -> bool:
    """Whether an answer is the one shown, where `…` stands for anything."""
    if shown == "…":
        return isinstance(got, str) and bool(got)
    if isinstance(shown, dict):
        return isinstance(got, dict) and got.keys() == shown.keys() and all(like(got[key], shown[key]) for key in shown)
    if isinstance(shown, list):
        return isinstance(got, list) and len(got) == len(shown) and all(map(like, got, shown))
    return bool(got == shown)


@pytest.mark.parametrize(("command", "kind", "shown"), SHOWN)
def test_each_command_is_answered_as_shown(served: Served, command: str, kind: str, shown: str) -> None:
    there = command.replace("localhost:8080", served.url)
    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", there], capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode == 0, ran.stderr
    if kind == "json":
        assert like(json.loads(ran.stdout), json.loads(shown)), ran.stdout
        return
    pattern = re.escape(shown.strip()).replace("…", '[^"]+')
    assert re.fullmatch(pattern, ran.stdout.strip()), ran.stdout


def test_the_python_shown_runs(served: Served) -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "python"]
    exec(compile(text.replace("localhost:8080", served.url), str(GUIDE), "exec"), {})
    assert len(SHOWN) == 10
