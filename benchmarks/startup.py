"""How long `--help` takes: this command line against bare Python with argparse, and against `mlflow` where that is installed.

    python benchmarks/startup.py [--runs 15] [--mlflow PATH]

Prints the median wall time of each, the ratio to argparse, and what was measured on. Runs are interleaved, so that a busy
moment of the machine hits all of them.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ARGPARSE = "import argparse; p = argparse.ArgumentParser('x'); p.add_argument('--y'); p.print_help()"


def main() -> int:
    options = _options()
    commands = _commands(options.mlflow)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.runs):
        for name, command in commands.items():
            times[name].append(_seconds(command))
    base = statistics.median(times["argparse"])
    print(f"{platform.platform()}, Python {platform.python_version()}, {options.runs} runs, median wall time")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:28} {median * 1000:8.0f} ms   {median / base:6.1f} x argparse")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--mlflow", help="path of an mlflow program, if it is not on the PATH")
    return parser.parse_args()


def _commands(mlflow: str | None) -> dict[str, list[str]]:
    ours = [sys.executable, "-m", "modelyard.cli"]
    found = {
        "argparse": [sys.executable, "-c", ARGPARSE],
        "modelyard --help": [*ours, "--help"],
        "modelyard model --help": [*ours, "model", "--help"],
        "modelyard deploy --help": [*ours, "deploy", "--help"],
    }
    peer = mlflow or shutil.which("mlflow", path=str(Path(sys.executable).parent)) or shutil.which("mlflow")
    return found | ({"mlflow --help": [peer, "--help"]} if peer else {})


def _seconds(command: list[str]) -> float:
    before = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - before


if __name__ == "__main__":
    sys.exit(main())
