"""`modelyard up`: everything in one terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def up(
    *,
    home: Annotated[
        Path | None, Parameter(help="The installation's folder; MODELYARD_HOME, or .modelyard, when left out.")
    ] = None,
    port: Annotated[int | None, Parameter(help="Of the API.")] = None,
    runtime_port: Annotated[int | None, Parameter(help="Of the runtime.")] = None,
) -> int:
    """Start the API, the runtime and a worker here; Ctrl-C stops all three."""
    from modelyard.bootstrap import Settings
    from modelyard.worker.up import run

    return run(Settings.from_environment(home=home, port=port, runtime_port=runtime_port))
