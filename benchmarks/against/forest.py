"""A forest of 100 trees, one row a request, 16 connections: ours through ONNX, MLServer through scikit-learn."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.against.models import onnx_bytes
from benchmarks.against.ours import modelyard
from benchmarks.against.peers import mlserver
from benchmarks.against.singles import measured, told


def run(stack: ExitStack, folder: Path) -> None:
    """Print the table."""
    servers = {
        "modelyard": stack.enter_context(modelyard(onnx_bytes("forest"), folder)),
        "mlserver": stack.enter_context(mlserver("forest", folder)),
    }
    told(measured(servers, folder), {"mlserver": 30})
