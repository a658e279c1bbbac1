"""`python -m benchmarks [name …]`: all benchmarks, or those named, one after another."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any

NAMES = ("startup", "serving", "against", "catalog", "dmn", "lifecycle")
"""Isolation, rollback and batch are programs of their own: `python -m benchmarks.isolation` and so on."""


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(NAMES)
    if unknown:
        print(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
        return 2
    signal.signal(signal.SIGTERM, _end)
    for name in wanted or NAMES:
        print(f"— {name} —", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


def _end(*_: Any) -> None:
    """Leave as on Ctrl-C, so that everything started is ended."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
