"""Writes the API's description to a file, so that a change of it is seen in review: `python -m modelyard.api.openapi FILE`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from modelyard.api.app import create_app
from modelyard.bootstrap import TABLES, Settings, assemble
from modelyard.storage.memory import MemoryStorage


def description() -> str:
    """The description as JSON text, the same for the same code."""
    with tempfile.TemporaryDirectory() as folder:
        platform = assemble(Settings(home=Path(folder)), MemoryStorage(TABLES))
        return json.dumps(create_app(platform).openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(description(), encoding="utf-8")
