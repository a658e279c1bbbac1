"""The governed runtime against the servers that users would pick instead: same model, same payload, same load, one run.

    python -m benchmarks.against [singles forest tail grpc memory]

Every server has one worker process and an environment of its own, made from a hashed lock. Ours routes, checks and logs each
answer durably; the peers answer and keep nothing.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.rounds import stamp

PARTS = ("singles", "forest", "tail", "grpc", "memory")


def main(wanted: Sequence[str] = ()) -> None:
    """The parts named, or all."""
    print(stamp())
    for name in wanted or PARTS:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            print(f"== {name}", flush=True)
            importlib.import_module(f"benchmarks.against.{name}").run(stack, folder)
