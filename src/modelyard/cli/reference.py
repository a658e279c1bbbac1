"""Writes docs/reference/cli.md from the tree of commands.

python -m modelyard.cli.reference docs/reference/cli.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from modelyard.cli.app import make_app

HEAD = """<!-- Written by `python -m modelyard.cli.reference docs/reference/cli.md`; do not edit. -->
"""


def reference() -> str:
    """The whole reference as Markdown."""
    argv, sys.argv = sys.argv, ["modelyard"]  # Cyclopts writes how this process was started into the usage lines.
    try:
        text = make_app().generate_docs(output_format="markdown", recursive=True, flatten_commands=True, usage_name="modelyard")
    finally:
        sys.argv = argv
    lines = [line.rstrip() for line in text.strip().split("\n")]
    return HEAD + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
