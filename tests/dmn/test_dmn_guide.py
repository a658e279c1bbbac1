"""The guide to the engine's Python face is true: its blocks run, in order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/how-to/use-the-dmn-engine.md"


def test_every_block_of_the_guide_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 7
    names: dict[str, Any] = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, GUIDE.name, "exec"), names)  # the guide's own text
    assert "fees.dmn, line 2, element 'd': 'amount *' is not FEEL" in capsys.readouterr().out
