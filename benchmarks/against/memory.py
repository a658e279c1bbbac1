"""Memory of the runtime with 50 small ONNX models behind 50 endpoints, each asked once."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.against.models import onnx_bytes
from benchmarks.against.ours import running
from benchmarks.against.peers import open_inference
from benchmarks.rounds import settle

MODELS = 50


def run(stack: ExitStack, folder: Path) -> None:
    """Print the resident memory of all its processes (aim: 400 MB)."""
    models = {f"m{number}": _distinct(number) for number in range(MODELS)}
    started = stack.enter_context(running(models, folder / "runtime"))
    for name in models:
        answer = httpx.post(f"http://127.0.0.1:{started.port}/v2/models/{name}/infer", content=open_inference(1), timeout=30)
        answer.raise_for_status()
    settle([started.process.pid])
    print(f"{resident(started.process.pid) / 1e6:.0f} MB with {MODELS} models (aim: under 400)")


def resident(process: int) -> int:
    """Bytes in memory of a process and its descendants; pages that they share count once for each who shares, in parts."""
    total, family = 0, {process}
    for path in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        try:
            stat = (path / "stat").read_text().rpartition(")")[2].split()
            if int(path.name) in family or int(stat[1]) in family:
                family.add(int(path.name))
                told = re.search(r"^Pss:\s+(\d+) kB", (path / "smaps_rollup").read_text(), re.MULTILINE)
                total += int(told[1]) * 1024 if told else 0
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since it was listed
    return total


def _distinct(number: int) -> bytes:
    """The model with a text of its own, so that no two are the same file."""
    import onnx

    model = onnx.load_from_string(onnx_bytes("logistic"))
    model.doc_string = f"number {number}"
    return bytes(model.SerializeToString())
